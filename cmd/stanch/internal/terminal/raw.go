package terminal

import "io"

// Raw is the stream as it is, for another program: a protocol, or a file that
// is answered on standard output. While a person looks at the stream, what is
// unsafe there is made visible all the same.
func (s *Screen) Raw() io.Writer {
	if s.IsTerminal() {
		return s
	}
	return rawWriter{s}
}

type rawWriter struct{ s *Screen }

func (r rawWriter) Write(p []byte) (int, error) {
	r.s.mu.Lock()
	defer r.s.mu.Unlock()
	r.s.write(string(p))
	if r.s.gone {
		return 0, io.ErrClosedPipe
	}
	if r.s.fail != nil {
		return 0, r.s.fail
	}
	return len(p), nil
}
