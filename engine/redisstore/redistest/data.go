package redistest

import (
	"bufio"
	"errors"
	"os"
	"path/filepath"
	"strings"
)

// TruncateAOF cuts bytes off the end of the append-only file, as a crash of the
// machine does. The server must be down and must have had Options.AppendOnly.
func (s *Server) TruncateAOF(bytes int) {
	s.t.Helper()
	if s.Up() {
		s.t.Error("TruncateAOF: the server is not down")
		return
	}
	name, err := s.lastAOF()
	if err != nil {
		s.t.Errorf("TruncateAOF: %v", err)
		return
	}
	stat, err := os.Stat(name)
	if err == nil {
		err = os.Truncate(name, max(0, stat.Size()-int64(bytes)))
	}
	if err != nil {
		s.t.Errorf("TruncateAOF: %v", err)
	}
}

// lastAOF is the file to which the server appends.
func (s *Server) lastAOF() (string, error) {
	dir := filepath.Join(s.dir, "appendonlydir")
	manifest, err := os.Open(filepath.Join(dir, "appendonly.aof.manifest"))
	if err != nil {
		return "", err
	}
	defer manifest.Close()
	last := ""
	for lines := bufio.NewScanner(manifest); lines.Scan(); { // file NAME seq N type i
		if words := strings.Fields(lines.Text()); len(words) == 6 && words[5] == "i" {
			last = filepath.Join(dir, words[1])
		}
	}
	if last == "" {
		return "", errors.New("the manifest names no file that grows")
	}
	return last, nil
}

// CopyData copies what the server has on disk, for RestoreData. It may run:
// what it has answered is in the copy, unless it is rewriting its append-only
// file just then.
func (s *Server) CopyData() string {
	s.t.Helper()
	to := s.t.TempDir()
	if err := os.CopyFS(filepath.Join(to, "appendonlydir"), os.DirFS(filepath.Join(s.dir, "appendonlydir"))); err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Errorf("CopyData: %v", err)
	}
	raw, err := os.ReadFile(filepath.Join(s.dir, "dump.rdb"))
	if err == nil {
		err = os.WriteFile(filepath.Join(to, "dump.rdb"), raw, 0o600)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		s.t.Errorf("CopyData: %v", err)
	}
	return to
}

// RestoreData puts a copy in the place of what the server has on disk, as
// somebody who restores a backup does. The server must be down.
func (s *Server) RestoreData(from string) {
	s.t.Helper()
	if s.Up() {
		s.t.Error("RestoreData: the server is not down")
		return
	}
	err := errors.Join(
		os.RemoveAll(filepath.Join(s.dir, "appendonlydir")),
		os.RemoveAll(filepath.Join(s.dir, "dump.rdb")),
		os.CopyFS(s.dir, os.DirFS(from)),
	)
	if err != nil {
		s.t.Errorf("RestoreData: %v", err)
	}
}
