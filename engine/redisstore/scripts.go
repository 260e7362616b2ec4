package redisstore

import (
	"crypto/sha1" //nolint:gosec // it is how Redis names scripts
	"embed"
	"encoding/hex"
	"fmt"
	"strings"
)

//go:embed scripts/*.lua
var scriptFiles embed.FS

// script is one act inside Redis. All are written in scripts/, with what they
// take and answer. A script of another version has another name, so old and new
// workers use their own side by side.
type script struct {
	name, text, sha string
	writes          bool
}

// scripts are all acts, by name.
type scripts map[string]*script

// reads are the scripts that write nothing.
func reads() map[string]bool {
	return map[string]bool{"get": true, "follow": true, "read": true, "ended": true, "begun": true, "frozen": true, "verify": true, "old": true}
}

func loadScripts() (scripts, error) {
	parts := map[string]string{}
	entries, err := scriptFiles.ReadDir("scripts")
	if err != nil {
		return nil, fmt.Errorf("scripts: %w", err)
	}
	for _, e := range entries {
		b, err := scriptFiles.ReadFile("scripts/" + e.Name())
		if err != nil {
			return nil, fmt.Errorf("script %s: %w", e.Name(), err)
		}
		parts[strings.TrimSuffix(e.Name(), ".lua")] = string(b)
	}
	all := scripts{}
	for name, text := range parts {
		switch name {
		case "head", "lib", "caps", "packed":
			continue
		}
		s := &script{name: name, writes: !reads()[name]}
		s.text = assemble(s.writes, text, parts)
		sum := sha1.Sum([]byte(s.text)) //nolint:gosec // it is how Redis names scripts
		s.sha = hex.EncodeToString(sum[:])
		all[name] = s
	}
	return all, nil
}

// assemble puts the common parts into a script where it says so, each once.
// Comments stay here: what is sent has none.
func assemble(writes bool, text string, parts map[string]string) string {
	var b strings.Builder
	b.WriteString("#!lua")
	if !writes {
		b.WriteString(" flags=no-writes")
	}
	b.WriteByte('\n')
	for line := range strings.Lines(text) {
		if part, is := strings.CutPrefix(strings.TrimSpace(line), "--@"); is {
			for line := range strings.Lines(parts[part]) {
				strip(&b, line)
			}
			continue
		}
		strip(&b, line)
	}
	return b.String()
}

func strip(b *strings.Builder, line string) {
	line = strings.TrimSpace(line)
	if line == "" || strings.HasPrefix(line, "--") {
		return
	}
	b.WriteString(line)
	b.WriteByte('\n')
}
