package lsp

import (
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf16"
	"unicode/utf8"

	"stanch/playbooks"
)

// document is a file that the editor has open.
type document struct {
	uri     string
	file    string
	version int
	text    string

	lines    []int // byte offset of each line; nil: not known yet
	analysis *playbooks.Analysis
	dirty    bool // findings are to be told
}

// set gives the document another text.
func (d *document) set(version int, text string) {
	d.version, d.text, d.lines, d.analysis, d.dirty = version, text, nil, nil, true
}

// starts are the offsets of the lines.
func (d *document) starts() []int {
	if d.lines == nil {
		d.lines = []int{0}
		for i := 0; i < len(d.text); i++ {
			if d.text[i] == '\n' {
				d.lines = append(d.lines, i+1)
			}
		}
	}
	return d.lines
}

// line answers the text of a line, from 0, without its end.
func (d *document) line(n int) string {
	starts := d.starts()
	if n < 0 || n >= len(starts) {
		return ""
	}
	end := len(d.text)
	if n+1 < len(starts) {
		end = starts[n+1] - 1
	}
	return strings.TrimSuffix(d.text[starts[n]:end], "\r")
}

// offset answers the byte offset of a position. One behind the end of its line
// is the line's end; one behind the last line is the end of the text.
func (d *document) offset(p position) int {
	starts := d.starts()
	switch {
	case p.Line < 0:
		return 0
	case p.Line >= len(starts):
		return len(d.text)
	}
	at, units := starts[p.Line], 0
	for _, r := range d.line(p.Line) {
		n := utf16.RuneLen(r)
		if n < 1 {
			n = 1
		}
		if units+n > p.Character {
			break
		}
		units += n
		at += utf8.RuneLen(r)
	}
	return at
}

// place answers a position as package playbooks counts it.
func (d *document) place(p position) playbooks.Position {
	starts := d.starts()
	line := max(0, min(p.Line, len(starts)-1))
	at := d.offset(p)
	return playbooks.Position{Line: line + 1, Column: utf8.RuneCountInString(d.text[starts[line]:max(at, starts[line])]) + 1}
}

// position answers a position as the protocol counts it.
func (d *document) position(p playbooks.Position) position {
	units, column := 0, 1
	for _, r := range d.line(p.Line - 1) {
		if column >= p.Column {
			break
		}
		units += max(1, utf16.RuneLen(r))
		column++
	}
	return position{p.Line - 1, units}
}

func (d *document) rangeOf(r playbooks.Range) textRange {
	return textRange{d.position(r.Start), d.position(r.End)}
}

// whole is the range of the whole text.
func (d *document) whole() textRange {
	last := len(d.starts()) - 1
	units := 0
	for _, r := range d.line(last) {
		units += max(1, utf16.RuneLen(r))
	}
	return textRange{End: position{last, units}}
}

// change replaces a range.
func (d *document) change(r textRange, text string) {
	from, to := d.offset(r.Start), d.offset(r.End)
	to = max(from, to)
	d.set(d.version, d.text[:from]+text+d.text[to:])
}

// ours finds a top-level key that only playbooks have.
var ours = regexp.MustCompile(`(?m)^\x{feff}?["']?(playbook|steps|on_failure)["']?[ \t]*:`)

// isPlaybook reports whether the language's findings are told of the document:
// other YAML files are open in the same editor.
func (d *document) isPlaybook() bool {
	if strings.HasSuffix(strings.TrimSuffix(d.file, filepath.Ext(d.file)), "_test") {
		return false
	}
	switch playbooks.KindOfFile([]byte(d.text)) {
	case playbooks.PlaybookFile:
		return true
	case playbooks.OtherFile:
		return ours.MatchString(d.text)
	}
	return false
}

// fileOf answers the path that a URI names; the URI itself if it is no file.
func fileOf(uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.Scheme != "file" {
		return uri
	}
	return filepath.FromSlash(u.Path)
}

// uriOf answers the URI of a path.
func uriOf(file string) string {
	if strings.Contains(file, "://") {
		return file
	}
	full, err := filepath.Abs(file)
	if err != nil {
		full = file
	}
	return (&url.URL{Scheme: "file", Path: filepath.ToSlash(full)}).String()
}
