package redistest

import (
	"errors"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Direction is a way through a Proxy.
type Direction int

// The two ways.
const (
	ToServer Direction = iota
	ToClient
)

// Proxy stands between clients and a server and puts faults on the wire. It
// begins without any. A fault holds for all connections, those that are open
// too, until it is switched off or, where it is said, has happened. What is
// encrypted passes as well; Swallow and Seen need plain commands.
type Proxy struct {
	t    testing.TB
	addr string

	mu       sync.Mutex
	target   string
	listener net.Listener // nil while connections are refused
	links    map[*link]struct{}
	ended    bool
	seen     map[string]int
	swallows []*swallow
	ways     [2]way
	changed  chan struct{} // closed when a fault is switched, and then another
	all      sync.WaitGroup
}

// way is what is wrong in one direction.
type way struct {
	delay   time.Duration
	held    bool
	byBytes bool
	cutting bool
	left    int // bytes until the cut
}

// swallow waits for one command.
type swallow struct {
	words []string
	nth   int
	done  chan struct{}
}

// NewProxy starts a proxy in front of the server at target.
func NewProxy(t testing.TB, target string) *Proxy {
	t.Helper()
	l, err := listen()
	if err != nil {
		t.Fatal(err)
	}
	p := &Proxy{
		t: t, addr: l.Addr().String(), target: target, listener: l,
		links: map[*link]struct{}{}, seen: map[string]int{}, changed: make(chan struct{}),
	}
	t.Cleanup(p.end)
	p.all.Go(func() { p.accept(l) })
	return p
}

// Addr is where clients connect to.
func (p *Proxy) Addr() string { return p.addr }

// Target makes new connections go to another server, as a name does that means
// another machine after a failover.
func (p *Proxy) Target(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.target = addr
}

// Pass ends all faults.
func (p *Proxy) Pass() {
	p.Refuse(false)
	p.mu.Lock()
	p.swallows = nil
	p.mu.Unlock()
	p.change(func(w *way) { *w = way{} }, ToServer, ToClient)
}

// Delay delivers everything so much later, in each direction.
func (p *Proxy) Delay(d time.Duration) {
	p.change(func(w *way) { w.delay = d }, ToServer, ToClient)
}

// Hold lets nothing through in that direction while it is on; what was held is
// delivered when it is switched off, unless the connection has been cut.
// Hold(ToClient, true) is the half-open connection: commands are done and no
// reply comes.
func (p *Proxy) Hold(d Direction, on bool) { p.change(func(w *way) { w.held = on }, d) }

// OneBytePerWrite writes each byte on its own, in each direction.
func (p *Proxy) OneBytePerWrite(on bool) {
	p.change(func(w *way) { w.byBytes = on }, ToServer, ToClient)
}

// CutAfter lets so many bytes more through in that direction, of all
// connections together, and cuts the connection that sends another one. That
// happens once.
func (p *Proxy) CutAfter(d Direction, bytes int) {
	p.change(func(w *way) { w.cutting, w.left = true, bytes }, d)
}

func (p *Proxy) change(f func(*way), ds ...Direction) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, d := range ds {
		f(&p.ways[d])
	}
	close(p.changed)
	p.changed = make(chan struct{})
}

// CutAll closes every connection, with what is on its way.
func (p *Proxy) CutAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for l := range p.links {
		l.cut()
	}
}

// Refuse refuses new connections while it is on. Those that are open stay.
func (p *Proxy) Refuse(on bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case on && p.listener != nil:
		p.listener.Close()
		p.listener = nil
	case !on && p.listener == nil && !p.ended:
		l, err := net.Listen("tcp", p.addr)
		if err != nil {
			p.t.Errorf("the proxy does not get its port back: %v", err)
			return
		}
		p.listener = l
		p.all.Go(func() { p.accept(l) })
	}
}

// Swallow lets the n-th command from now on that begins with these words reach
// the server, swallows the reply and cuts the connection: the client cannot
// know what has become of it. Upper and lower case are the same. The answer is
// closed when that has happened, the server has replied that is. On a connection
// that has subscribed or replicates nothing is counted any more.
func (p *Proxy) Swallow(n int, words ...string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	s := &swallow{words: words, nth: n, done: make(chan struct{})}
	p.swallows = append(p.swallows, s)
	return s.done
}

// Seen is how many commands of that name have come so far.
func (p *Proxy) Seen(name string) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen[strings.ToUpper(name)]
}

// count counts a command and answers who wants its reply swallowed, if anybody.
func (p *Proxy) count(words []string) *swallow {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen[strings.ToUpper(words[0])]++
	var hit *swallow
	p.swallows = slices.DeleteFunc(p.swallows, func(s *swallow) bool {
		if !s.matches(words) {
			return false
		}
		s.nth--
		if s.nth > 0 || hit != nil {
			return false
		}
		hit = s
		return true
	})
	return hit
}

func (s *swallow) matches(words []string) bool {
	return len(words) >= len(s.words) && slices.EqualFunc(s.words, words[:len(s.words)], strings.EqualFold)
}

func (p *Proxy) accept(l net.Listener) {
	for {
		client, err := l.Accept()
		if err != nil {
			if !errors.Is(err, net.ErrClosed) {
				p.t.Errorf("the proxy at %s: %v", p.addr, err)
			}
			return
		}
		p.all.Go(func() { p.serve(client) })
	}
}

// serve joins a client with the server. A server that cannot be reached is a
// connection that is closed at once.
func (p *Proxy) serve(client net.Conn) {
	p.mu.Lock()
	target := p.target
	p.mu.Unlock()
	server, err := net.DialTimeout("tcp", target, time.Second)
	if err != nil {
		client.Close()
		return
	}
	l := newLink(p, client, server)
	p.mu.Lock()
	if p.ended {
		l.cut()
	}
	p.links[l] = struct{}{}
	p.mu.Unlock()
	l.run()
	p.mu.Lock()
	delete(p.links, l)
	p.mu.Unlock()
}

func (p *Proxy) end() {
	p.Refuse(true)
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.CutAll()
	p.all.Wait()
}
