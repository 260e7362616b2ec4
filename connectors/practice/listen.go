package practice

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// sniffTime is how long a new connection may wait before its first byte.
	sniffTime = 10 * time.Second
	// farewell is how long requests may still run after the context has ended.
	farewell = 2 * time.Second
)

// Serve answers on l until ctx ends, then gives running requests a moment and
// returns nil. The first byte of a connection tells its kind: TLS serves the
// tenant's Handler, plain HTTP serves /practice/... only and answers 403 to
// anything else, so that no token ever travels in plain.
func Serve(ctx context.Context, l net.Listener, t *Tenant, cert tls.Certificate) error {
	s := newSplitter(l)
	config := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}}
	servers := map[*http.Server]net.Listener{
		server(t.Handler()):            tls.NewListener(s.secure, config),
		server(plainOnly(t.Control())): s.plain,
	}
	failed := make(chan error, len(servers)+1)
	for srv, in := range servers {
		go func() { failed <- srv.Serve(in) }()
	}
	go func() { failed <- s.run() }()
	var err error
	select {
	case <-ctx.Done():
	case err = <-failed:
	}
	bye, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	s.close()
	for srv := range servers {
		if srv.Shutdown(bye) != nil {
			srv.Close()
		}
	}
	if ctx.Err() != nil || errors.Is(err, net.ErrClosed) || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func server(h http.Handler) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: log.New(io.Discard, "", 0), // connections cut by faults are no news
	}
}

// plainOnly serves the tenant's own paths and refuses everything else.
func plainOnly(control http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !isControl(r.URL.Path) {
			answer(w, http.StatusForbidden, object{"error": object{
				"code": "forbidden", "message": "The practice tenant speaks https here; plain http serves /practice/... only.",
			}})
			return
		}
		control.ServeHTTP(w, r)
	})
}

// splitter hands each connection to one of two listeners, by its first byte.
type splitter struct {
	net.Listener
	secure, plain *handed
	done          chan struct{}

	mu      sync.Mutex
	waiting map[net.Conn]bool // nothing has come from them yet; nil once closed
}

func newSplitter(l net.Listener) *splitter {
	s := &splitter{Listener: l, done: make(chan struct{}), waiting: map[net.Conn]bool{}}
	s.secure = &handed{s: s, conns: make(chan net.Conn)}
	s.plain = &handed{s: s, conns: make(chan net.Conn)}
	return s
}

func (s *splitter) run() error {
	for {
		c, err := s.Accept()
		if err != nil {
			return err
		}
		go s.hand(c)
	}
}

func (s *splitter) hand(c net.Conn) {
	if !s.wait(c) {
		c.Close()
		return
	}
	c.SetReadDeadline(time.Now().Add(sniffTime))
	r := bufio.NewReaderSize(c, 1024)
	first, err := r.Peek(1)
	s.heard(c)
	if err != nil || c.SetReadDeadline(time.Time{}) != nil {
		c.Close()
		return
	}
	to := s.plain
	if first[0] == 0x16 { // the record type of a TLS handshake
		to = s.secure
	}
	select {
	case to.conns <- &peeked{c, r}:
	case <-s.done:
		c.Close()
	}
}

// wait notes a connection that has said nothing; false after the end.
func (s *splitter) wait(c net.Conn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		return false
	}
	s.waiting[c] = true
	return true
}

func (s *splitter) heard(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.waiting, c)
}

// close ends the listener and the connections that have said nothing.
func (s *splitter) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.waiting == nil {
		return
	}
	for c := range s.waiting {
		c.Close()
	}
	s.waiting = nil
	close(s.done)
	s.Listener.Close()
}

// handed is a listener of connections that the splitter hands over.
type handed struct {
	s     *splitter
	conns chan net.Conn
}

func (h *handed) Accept() (net.Conn, error) {
	select {
	case c := <-h.conns:
		return c, nil
	case <-h.s.done:
		return nil, net.ErrClosed
	}
}

func (h *handed) Close() error   { h.s.close(); return nil }
func (h *handed) Addr() net.Addr { return h.s.Listener.Addr() }

// peeked is a connection whose first bytes have been read into r.
type peeked struct {
	net.Conn
	r *bufio.Reader
}

func (p *peeked) Read(b []byte) (int, error) { return p.r.Read(b) }
