package redistest

import (
	"bufio"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"time"
)

// errCut ends a link on purpose.
var errCut = errors.New("cut")

// link is one connection through a proxy: in each direction one goroutine
// reads and another writes, with a queue between them for what is late.
type link struct {
	p    *Proxy
	from [2]net.Conn // by direction: who sends
	to   [2]net.Conn // and who receives
	gone chan struct{}
	once sync.Once

	mu      sync.Mutex
	raw     bool       // no commands and replies any more, but bytes
	waiting []*swallow // one for each command without a reply, nil if it wants none
	hit     *swallow   // whose reply was swallowed, read when all has ended
}

// packet is what is to be written, and when it came.
type packet struct {
	bytes []byte
	came  time.Time
}

func newLink(p *Proxy, client, server net.Conn) *link {
	return &link{
		p: p, from: [2]net.Conn{client, server}, to: [2]net.Conn{server, client},
		gone: make(chan struct{}),
	}
}

func (l *link) cut() {
	l.once.Do(func() {
		close(l.gone)
		l.from[ToServer].Close()
		l.from[ToClient].Close()
	})
}

// run returns when the connection has ended.
func (l *link) run() {
	var all sync.WaitGroup
	for _, d := range []Direction{ToServer, ToClient} {
		queue := make(chan packet, 4096)
		all.Go(func() {
			defer close(queue)
			l.read(d, queue)
		})
		all.Go(func() {
			if l.write(d, queue) {
				l.cut()
			}
		})
	}
	all.Wait()
	if l.hit != nil {
		close(l.hit.done)
	}
}

// read queues one command or one reply after the other, and the bytes as they
// come once the two sides speak something else.
func (l *link) read(d Direction, queue chan<- packet) {
	r := bufio.NewReaderSize(l.from[d], 64<<10)
	for {
		first, err := r.Peek(1)
		if err != nil {
			return
		}
		var bytes []byte
		if l.isRaw() || d == ToServer && l.becomesRaw(first[0]) {
			bytes = make([]byte, r.Buffered())
			_, err = io.ReadFull(r, bytes)
		} else {
			bytes, err = l.message(d, r)
		}
		if err != nil {
			return
		}
		select {
		case queue <- packet{bytes, time.Now()}:
		case <-l.gone:
			return
		}
	}
}

func (l *link) isRaw() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.raw
}

// becomesRaw tells whether the first byte from a client begins TLS.
func (l *link) becomesRaw(first byte) bool {
	const handshake = 0x16
	l.mu.Lock()
	defer l.mu.Unlock()
	l.raw = first == handshake
	return l.raw
}

// message reads a command or a reply. It answers errCut for a reply that is to
// be swallowed.
func (l *link) message(d Direction, r *bufio.Reader) ([]byte, error) {
	bytes, words, err := readMessage(r)
	if err != nil {
		return nil, err
	}
	if d == ToServer {
		l.command(words)
		return bytes, nil
	}
	if bytes[0] == '>' || bytes[0] == '|' { // RESP3: nobody's reply, or before one
		return bytes, nil
	}
	l.mu.Lock()
	var s *swallow
	if len(l.waiting) > 0 {
		s, l.waiting = l.waiting[0], l.waiting[1:]
	}
	l.mu.Unlock()
	if s == nil {
		return bytes, nil
	}
	l.hit = s
	return nil, errCut
}

// command notes that a reply is to come. After some commands there is not one
// reply for each.
func (l *link) command(words []string) {
	if len(words) == 0 {
		return
	}
	s := l.p.count(words)
	l.mu.Lock()
	defer l.mu.Unlock()
	l.waiting = append(l.waiting, s)
	switch strings.ToUpper(words[0]) {
	case "PSYNC", "SYNC", "MONITOR", "SUBSCRIBE", "PSUBSCRIBE", "SSUBSCRIBE":
		l.raw = true
	}
}

// write delivers what is queued, with what is wrong in its direction. It tells
// whether the connection is to be cut then: its end comes through as late as
// what was sent before it. If the receiver is gone, it is the other direction
// that hears of it.
func (l *link) write(d Direction, queue <-chan packet) (ends bool) {
	for x := range queue {
		if l.wait(d, x) != nil {
			return true
		}
		allowed, byBytes := l.p.allow(d, len(x.bytes))
		step := max(1, allowed)
		if byBytes {
			step = 1
		}
		for at := 0; at < allowed; at += step {
			if _, err := l.to[d].Write(x.bytes[at:min(at+step, allowed)]); err != nil {
				return false
			}
		}
		if allowed < len(x.bytes) {
			return true
		}
	}
	_ = l.wait(d, packet{came: time.Now()}) // either way it ends now
	return true
}

// wait returns when a packet may be delivered, with an error if it never may.
func (l *link) wait(d Direction, x packet) error {
	for {
		l.p.mu.Lock()
		w, changed := l.p.ways[d], l.p.changed
		l.p.mu.Unlock()
		late := time.Until(x.came.Add(w.delay))
		if !w.held && late <= 0 {
			return nil
		}
		var due <-chan time.Time
		if !w.held {
			due = time.After(late)
		}
		select {
		case <-due:
		case <-changed:
		case <-l.gone:
			return errCut
		}
	}
}

// allow answers how many of n bytes may pass before the connection is cut, and
// whether one by one.
func (p *Proxy) allow(d Direction, n int) (allowed int, byBytes bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	w := &p.ways[d]
	if !w.cutting {
		return n, w.byBytes
	}
	if n <= w.left {
		w.left -= n
		return n, w.byBytes
	}
	allowed = w.left
	w.cutting, w.left = false, 0
	return allowed, w.byBytes
}
