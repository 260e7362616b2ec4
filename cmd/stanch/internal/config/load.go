package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// EnvFile is the environment variable that names the operator's file.
const EnvFile = "STANCH_CONFIG"

// maxFile bounds the operator's file, in bytes.
const maxFile = 1 << 20

// Fault is one thing wrong with the operator's file. Line and Column count
// from 1; 0 where the fault has no place.
type Fault struct {
	File         string
	Line, Column int
	Message      string
	Hint         string
}

func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": " + f.Message)
	if f.Hint != "" {
		b.WriteString("\n  hint: " + f.Hint)
	}
	return b.String()
}

// Error is all that is wrong with the operator's file, in order of places.
type Error struct{ Faults []Fault }

func (e *Error) Error() string {
	lines := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		lines[i] = f.String()
	}
	return strings.Join(lines, "\n")
}

// Find answers which file is the operator's: the one given, else the one that
// STANCH_CONFIG names, else config.yaml in the user's configuration folder
// (~/.config/stanch on Linux) if it is there, else none.
func Find(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if named := os.Getenv(EnvFile); named != "" {
		return named, nil
	}
	dir, _ := os.UserConfigDir() // without a home there is nothing to find
	if dir == "" {
		return "", nil
	}
	file := filepath.Join(dir, "stanch", "config.yaml")
	switch _, err := os.Stat(file); {
	case errors.Is(err, fs.ErrNotExist):
		return "", nil
	case err != nil:
		return "", fmt.Errorf("configuration: %w", err)
	}
	return file, nil
}

// Load reads the operator's file; an empty name answers the defaults. What is
// wrong in the file is an *Error.
func Load(file string) (*Config, error) {
	if file == "" {
		c := &Config{}
		c.fill(func(string) bool { return false })
		return c, nil
	}
	text, err := read(file)
	if err != nil {
		return nil, fmt.Errorf("configuration: %w", err)
	}
	return Parse(file, text)
}

func read(file string) ([]byte, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxFile {
		return nil, fmt.Errorf("%s is longer than %d bytes: this is not an operator's file", file, maxFile)
	}
	return text, nil
}

// Parse reads the text of the operator's file. Its relative paths are meant
// from the folder of the file.
func Parse(file string, text []byte) (*Config, error) {
	d := &decoder{file: file, places: map[string]place{}}
	c := &Config{File: file}
	d.decode(text, c)
	if len(d.faults) == 0 {
		if err := c.absolute(); err != nil {
			return nil, fmt.Errorf("configuration: %w", err)
		}
		given := func(key string) bool { _, is := d.places[key]; return is }
		c.fill(given)
		c.check(d)
	}
	if len(d.faults) > 0 {
		return nil, &Error{Faults: d.sorted()}
	}
	c.Notes = d.notes
	return c, nil
}

// absolute makes every path of the file absolute.
func (c *Config) absolute() error {
	file, err := filepath.Abs(c.File)
	if err != nil {
		return err
	}
	dir := filepath.Dir(file)
	paths := []*string{
		&c.Archive, &c.Tenant.CA, &c.Tenant.Auth.TokenFile,
		&c.Tenant.Auth.Secret.File, &c.Tenant.Auth.Certificate, &c.Tenant.Auth.Password.File,
		&c.StoreAuth.Password.File, &c.StoreAuth.SentinelPassword.File, &c.StoreAuth.CA, &c.StoreAuth.Certificate, &c.StoreAuth.Key,
	}
	for _, auth := range c.Tenant.Apps.each {
		paths = append(paths, &auth.TokenFile, &auth.Secret.File, &auth.Certificate, &auth.Password.File)
	}
	for i := range c.Tenants {
		paths = append(paths, &c.Tenants[i])
	}
	for i := range c.Playbooks {
		paths = append(paths, &c.Playbooks[i])
	}
	for i := range c.Lists {
		paths = append(paths, &c.Lists[i])
	}
	for _, p := range paths {
		if *p, err = resolve(dir, *p); err != nil {
			return err
		}
	}
	if err := errors.Join(c.outsidePaths(dir), c.evidencePaths(dir)); err != nil {
		return err
	}
	if path, is := strings.CutPrefix(c.Store, sqliteScheme); is {
		if path, err = resolve(dir, path); err != nil {
			return err
		}
		c.Store = sqliteScheme + path
	}
	return nil
}

// resolve makes a path absolute: `~/` is the user's home, anything relative is
// meant from dir. An empty path stays empty.
func resolve(dir, path string) (string, error) {
	if path == "" || filepath.IsAbs(path) {
		return path, nil
	}
	if rest, is := strings.CutPrefix(path, "~/"); is {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		return filepath.Join(home, rest), nil
	}
	return filepath.Join(dir, path), nil
}
