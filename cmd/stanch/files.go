package main

import (
	"errors"
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
	if r == nil {
		return nil, errors.New("there is no standard input")
	}
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
