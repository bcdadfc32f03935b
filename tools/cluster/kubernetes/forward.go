package main

import (
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
)

// forward serves listeners that it inherits: each argument is "<file descriptor>=<host:port>".
//
// The listeners were bound outside the node's network namespace, the connections are made inside: this process is the one
// door between the host's loopback and the node, and no interface of the host is touched.
func forward() int {
	failed := make(chan error)
	for _, argument := range os.Args[1:] {
		descriptor, target, _ := strings.Cut(argument, "=")
		number, err := strconv.Atoi(descriptor)
		if err != nil {
			fmt.Fprintf(os.Stderr, "forward: %q is not <file descriptor>=<host:port>\n", argument)
			return 2
		}
		listener, err := net.FileListener(os.NewFile(uintptr(number), target))
		if err != nil {
			fmt.Fprintf(os.Stderr, "forward: descriptor %d is no listener: %v\n", number, err)
			return 1
		}
		go func() { failed <- serve(listener, target) }()
	}
	fmt.Fprintln(os.Stderr, "forward:", <-failed)
	return 1
}

func serve(listener net.Listener, target string) error {
	for {
		outside, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer outside.Close()
			inside, err := net.Dial("tcp", target)
			if err != nil {
				return // the caller sees a closed connection, as from any dead peer
			}
			defer inside.Close()
			done := make(chan struct{})
			go func() { pump(inside, outside); close(done) }()
			pump(outside, inside)
			<-done
		}()
	}
}

// pump copies one direction and passes its end on, so that a half-closed connection stays half open.
func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}
