package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"
)

const (
	patience    = time.Second            // for a new connection, and for the answer to a PING
	pause       = 100 * time.Millisecond // between two attempts to connect
	connections = 16                     // at most
)

// redis is a client of one Redis, with a bounded number of connections.
type redis struct {
	address, password string
	places            chan *connection // nil: a place without a connection
}

type connection struct {
	net.Conn
	answers *bufio.Reader
}

func newRedis(address, password string) *redis {
	r := &redis{address, password, make(chan *connection, connections)}
	for range connections {
		r.places <- nil
	}
	return r
}

// do sends the commands together and returns the last one's answer: nil, a string or a list. An error of any of them,
// or none of Redis' until the context's deadline, is an error.
func (r *redis) do(ctx context.Context, commands ...[]string) (found any, err error) {
	var c *connection
	select {
	case c = <-r.places:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	defer func() { r.places <- c }()
	if c, err = r.living(ctx, c); err != nil {
		return nil, err
	}
	end, _ := ctx.Deadline()
	if found, err = c.do(end, commands...); err != nil {
		c.Close() // what it answers later would be taken for another command's
		c = nil
	}
	return found, err
}

// living returns the connection if Redis answers on it, else a new one as soon as Redis is there.
func (r *redis) living(ctx context.Context, c *connection) (*connection, error) {
	var err error
	for {
		if c == nil {
			c, err = r.dial(ctx)
		}
		if c != nil {
			if _, err = c.do(time.Now().Add(patience), []string{"PING"}); err == nil {
				return c, nil
			}
			c.Close()
			c = nil
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
	}
}

func (r *redis) dial(ctx context.Context) (*connection, error) {
	dialer := net.Dialer{Timeout: patience}
	opened, err := dialer.DialContext(ctx, "tcp", r.address)
	if err != nil {
		return nil, err
	}
	c := &connection{opened, bufio.NewReader(opened)}
	if _, err := c.do(time.Now().Add(patience), []string{"AUTH", r.password}); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *connection) do(end time.Time, commands ...[]string) (found any, err error) {
	var sent bytes.Buffer
	for _, command := range commands {
		fmt.Fprintf(&sent, "*%d\r\n", len(command))
		for _, argument := range command {
			fmt.Fprintf(&sent, "$%d\r\n%s\r\n", len(argument), argument)
		}
	}
	if err = c.SetDeadline(end); err != nil {
		return nil, err
	}
	if _, err = c.Write(sent.Bytes()); err != nil {
		return nil, err
	}
	for range commands {
		if found, err = c.read(); err != nil {
			return nil, err
		}
	}
	return found, nil
}

// read returns an answer in Redis' protocol, RESP 2.
func (c *connection) read() (any, error) {
	line, err := c.answers.ReadString('\n')
	if err != nil {
		return nil, err
	}
	kind, text := line[0], strings.TrimSuffix(line[1:], "\r\n")
	switch kind {
	case '+', ':':
		return text, nil
	case '-':
		return nil, errors.New(text)
	}
	size, err := strconv.Atoi(text)
	if err != nil {
		return nil, fmt.Errorf("no answer of Redis: %q", line)
	}
	switch {
	case size < 0:
		return nil, nil
	case kind == '$':
		content := make([]byte, size+2)
		_, err = io.ReadFull(c.answers, content)
		return string(content[:size]), err
	}
	items := make([]any, size)
	for i := range items {
		if items[i], err = c.read(); err != nil {
			return nil, err
		}
	}
	return items, nil
}
