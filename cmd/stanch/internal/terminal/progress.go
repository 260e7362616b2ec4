package terminal

import (
	"fmt"
	"time"
)

// Progress tells how far long work has come: on a terminal as one line that
// renews itself, elsewhere as a plain line every few seconds. The first second
// passes in silence.
type Progress struct {
	s       *Screen
	what    string
	total   int
	started time.Time
	shown   time.Time
	now     func() time.Time
}

// How often progress is shown.
const (
	silence  = time.Second
	renewed  = 100 * time.Millisecond
	everyLog = 5 * time.Second
)

// Progress begins to tell of work on total things; 0 means that nobody knows
// how many.
func (s *Screen) Progress(what string, total int) *Progress {
	p := &Progress{s: s, what: what, total: total, now: time.Now}
	p.started = p.now()
	return p
}

// Done tells that n things are done.
func (p *Progress) Done(n int) {
	now := p.now()
	every := renewed
	if !p.s.IsTerminal() {
		every = everyLog
	}
	if now.Sub(p.started) < silence || now.Sub(p.shown) < every {
		return
	}
	p.shown = now
	text := p.text(n, now.Sub(p.started))
	if !p.s.IsTerminal() {
		p.s.put(Safe(text) + "\n")
		return
	}
	p.s.overwrite(OneLine(text))
}

func (p *Progress) text(n int, took time.Duration) string {
	rate := float64(n) / took.Seconds()
	if p.total == 0 {
		return fmt.Sprintf("%s: %d, %.1f/s, %s", p.what, n, rate, took.Round(time.Second))
	}
	text := fmt.Sprintf("%s: %d of %d, %.1f/s", p.what, n, p.total, rate)
	if n > 0 && n < p.total {
		left := time.Duration(float64(p.total-n) / rate * float64(time.Second))
		text += fmt.Sprintf(", %s left", left.Round(time.Second))
	}
	return text
}

// End takes the progress line away.
func (p *Progress) End() {
	p.s.mu.Lock()
	defer p.s.mu.Unlock()
	if p.s.live {
		p.s.write("\r\x1b[K")
		p.s.live = false
	}
}

// overwrite writes a line that the next output replaces, cut to the terminal.
func (s *Screen) overwrite(line string) {
	for columns(line) >= s.Width && line != "" {
		runes := []rune(line)
		line = string(runes[:len(runes)-1])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.write("\r\x1b[K" + line)
	s.live = true
}
