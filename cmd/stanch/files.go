package main

import (
	"context"
	"fmt"
	"io"
	"os"
)

// readFile reads a file that a person named. What is longer than most bytes is
// refused, not cut.
func readFile(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case info.IsDir():
		return nil, fmt.Errorf("%s is a folder, not a file", name)
	case info.Size() > most:
		return nil, tooLong(name, most)
	}
	return readAll(f, name, most)
}

// readAll reads a stream that may have no end.
func readAll(r io.Reader, name string, most int64) ([]byte, error) {
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if int64(len(text)) > most {
		return nil, tooLong(name, most)
	}
	return text, nil
}

func tooLong(name string, most int64) error {
	return fmt.Errorf("%s has more than %d MiB: that is more than is read", name, most>>20)
}

// until is a stream of a person or another program whose reading ends with
// ctx: Ctrl-C is heard while a terminal or a pipe has nothing to say.
type until struct {
	ctx context.Context
	r   io.Reader
}

// mostAtOnce is how much of a stream is read at once, in bytes.
const mostAtOnce = 64 << 10

func (u until) Read(p []byte) (int, error) {
	type read struct {
		n   int
		err error
	}
	own := make([]byte, min(len(p), mostAtOnce)) // p is the caller's again if ctx ends
	done := make(chan read, 1)
	go func() { // if ctx ends, this one ends with the process
		n, err := u.r.Read(own)
		done <- read{n, err}
	}()
	select {
	case <-u.ctx.Done():
		return 0, u.ctx.Err()
	case got := <-done:
		return copy(p, own[:got.n]), got.err
	}
}
