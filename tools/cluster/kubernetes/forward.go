package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const (
	dialTimeout   = 5 * time.Second
	lookupTimeout = 2 * time.Second
	addressAge    = 5 * time.Second // a Service keeps its address, so it is looked up only this often
)

// forward serves listeners that it inherits. Its arguments are the address of the cluster's DNS server and, for each
// listener, "<file descriptor>=<host:port>".
//
// The listeners were bound outside the node's network namespace, the connections are made inside: this process is the one
// door between the host's loopback and the node, and no interface of the host is touched.
func forward() int {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "forward: give <host:port of DNS> and <file descriptor>=<host:port>…")
		return 2
	}
	dns := resolver(os.Args[1])
	failed := make(chan error)
	for _, argument := range os.Args[2:] {
		descriptor, address, _ := strings.Cut(argument, "=")
		number, numberError := strconv.Atoi(descriptor)
		host, port, addressError := net.SplitHostPort(address)
		if numberError != nil || addressError != nil {
			fmt.Fprintf(os.Stderr, "forward: %q is not <file descriptor>=<host:port>\n", argument)
			return 2
		}
		listener, err := net.FileListener(os.NewFile(uintptr(number), address))
		if err != nil {
			fmt.Fprintf(os.Stderr, "forward: descriptor %d is no listener: %v\n", number, err)
			return 1
		}
		to := &target{host: host, port: port, dns: dns}
		go func() { failed <- serve(listener, to) }()
	}
	fmt.Fprintln(os.Stderr, "forward:", <-failed)
	return 1
}

func serve(listener net.Listener, to *target) error {
	for {
		outside, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer outside.Close()
			inside, err := to.dial()
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

// target is where connections go. While DNS does not answer, they go to the address that it gave last.
type target struct {
	host, port string
	dns        *net.Resolver
	mutex      sync.Mutex
	address    string
	found      time.Time
}

func (to *target) dial() (net.Conn, error) {
	address, err := to.lookUp()
	if err != nil {
		return nil, err
	}
	return net.DialTimeout("tcp", net.JoinHostPort(address, to.port), dialTimeout)
}

func (to *target) lookUp() (string, error) {
	to.mutex.Lock()
	defer to.mutex.Unlock()
	if time.Since(to.found) < addressAge {
		return to.address, nil
	}
	deadline, cancel := context.WithTimeout(context.Background(), lookupTimeout)
	defer cancel()
	addresses, err := to.dns.LookupHost(deadline, to.host)
	if err == nil {
		to.address = addresses[0]
	} else if to.address == "" {
		return "", err
	}
	to.found = time.Now()
	return to.address, nil
}

func resolver(server string) *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, server)
	}}
}

// pump copies one direction and passes its end on, so that a half-closed connection stays half open.
func pump(to, from net.Conn) {
	_, _ = io.Copy(to, from)
	_ = to.(*net.TCPConn).CloseWrite()
}
