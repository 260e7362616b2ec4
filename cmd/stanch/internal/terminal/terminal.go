// Package terminal is what people and scripts see of a command: data on
// standard output as table, JSON, JSON lines or YAML, everything else on
// standard error, and progress of long work. File names, mail subjects and
// comments are written by attackers: no character that moves a cursor, changes
// a colour or turns the direction of text reaches the terminal from them.
//
// It knows nothing of what it shows.
package terminal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/term"
)

// Style is how a piece of text stands out, where the terminal has colours.
type Style string

// The styles, as SGR codes.
const (
	Plain  Style = ""
	Bold   Style = "1"
	Faint  Style = "2"
	Red    Style = "31"
	Green  Style = "32"
	Yellow Style = "33"
)

// Text is a piece of text with a style.
type Text struct {
	Style Style
	Text  string
}

// Screen is one stream of a command. It may be used from many goroutines.
type Screen struct {
	// Color allows styles.
	Color bool
	// Width is the number of columns; 0 means that nobody looks: no line is
	// broken or cut.
	Width int

	mu   sync.Mutex
	w    io.Writer
	fail error
	gone bool
	live bool // a progress line stands on the last row
}

// On answers the screen of a stream: with colours and a width if it is a
// terminal, and neither NO_COLOR is set nor TERM is dumb.
func On(w io.Writer, env func(string) string) *Screen {
	s := &Screen{w: w}
	f, is := w.(*os.File)
	if !is || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.Width = 80
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.Width = width
	}
	s.Color = env("NO_COLOR") == "" && env("TERM") != "dumb"
	return s
}

// IsTerminal reports whether a person looks at the screen.
func (s *Screen) IsTerminal() bool { return s.Width > 0 }

// Write writes text with everything unsafe made visible.
func (s *Screen) Write(p []byte) (int, error) {
	s.put(Safe(string(p)))
	return len(p), nil
}

// Printf writes formatted text with everything unsafe made visible.
func (s *Screen) Printf(format string, args ...any) { s.put(Safe(fmt.Sprintf(format, args...))) }

// Line writes pieces, strings or Texts, and ends the line.
func (s *Screen) Line(pieces ...any) {
	var b strings.Builder
	for _, p := range pieces {
		if t, is := p.(Text); is {
			b.WriteString(s.styled(t))
		} else {
			b.WriteString(Safe(fmt.Sprint(p)))
		}
	}
	s.put(b.String() + "\n")
}

func (s *Screen) styled(t Text) string {
	if !s.Color || t.Style == Plain {
		return Safe(t.Text)
	}
	return "\x1b[" + string(t.Style) + "m" + Safe(t.Text) + "\x1b[0m"
}

// put writes what is safe already. Once the reader has gone, as in `| head`,
// nothing more is written, and that is no error.
func (s *Screen) put(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.live {
		text, s.live = "\r\x1b[K"+text, false
	}
	s.write(text)
}

func (s *Screen) write(text string) {
	if s.gone || s.fail != nil {
		return
	}
	switch _, err := io.WriteString(s.w, text); {
	case errors.Is(err, syscall.EPIPE), errors.Is(err, io.ErrClosedPipe):
		s.gone = true
	case err != nil:
		s.fail = err
	}
}

// Gone reports whether the reader has closed the stream.
func (s *Screen) Gone() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.gone
}

// Err answers the first failure to write, such as a full disk; a reader that
// has gone is none.
func (s *Screen) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.fail
}

// IsTerminal reports whether a person sits at a file.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
