package connectors

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Path is the path of a call, escaped. What cannot be one is refused when the
// call is made, before anything is sent.
type Path struct {
	text string
	link string // a whole address, already judged
	err  error
}

// To joins segments to a path. One that would change the meaning of the path
// spoils it: empty, a dot, or holding a separator.
func To(segments ...string) Path {
	var b strings.Builder
	for _, s := range segments {
		if err := checkID(s); err != nil {
			return Path{err: err}
		}
		b.WriteString("/" + url.PathEscape(s))
	}
	return Path{text: b.String()}
}

// Colon addresses what lies at a path below, as Graph writes it: `root:/a/b`.
// An empty path is p itself.
func (p Path) Colon(path string) Path {
	path = strings.Trim(path, "/")
	if p.err != nil || path == "" {
		return p
	}
	names := strings.Split(path, "/")
	for i, name := range names {
		if err := checkName(name); err != nil {
			return Path{err: err}
		}
		names[i] = url.PathEscape(name)
	}
	return Path{text: p.text + ":/" + strings.Join(names, "/")}
}

// Call adds a function or an indexed set, as OData writes them:
// `search(q='…')`, `RecycleBin('…')`, `restore()`. name and the keys of args
// are ours; values are text, quoted and escaped. One with a slash or an
// unprintable character spoils the path.
func (p Path) Call(name string, args ...Param) Path {
	if p.err != nil {
		return p
	}
	parts := make([]string, len(args))
	for i, a := range args {
		if len(a.Value) > maxSegment || strings.ContainsAny(a.Value, `/\`) || strings.ContainsFunc(a.Value, unprintable) {
			return Path{err: fmt.Errorf("%q cannot be asked for: it holds a slash or an unprintable character, or is longer than %d bytes", line(a.Value, 120), maxSegment)}
		}
		parts[i] = "'" + url.PathEscape(strings.ReplaceAll(a.Value, "'", "''")) + "'"
		if a.Key != "" {
			parts[i] = a.Key + "=" + parts[i]
		}
	}
	return Path{text: p.text + "/" + name + "(" + strings.Join(parts, ",") + ")"}
}

func checkID(s string) error {
	switch {
	case s == "":
		return errors.New("an id is empty")
	case s == "." || s == "..":
		return fmt.Errorf("%q is no id", s)
	case len(s) > maxSegment:
		return fmt.Errorf("an id of %d bytes; expected at most %d", len(s), maxSegment)
	case strings.ContainsAny(s, `/\?%:`) || strings.ContainsFunc(s, unprintable):
		return fmt.Errorf("%q is no id: it holds a character that ids do not have", line(s, 120))
	}
	return nil
}

// checkName judges the name of a file or folder
// (support.microsoft.com, restrictions and limitations in OneDrive and SharePoint).
func checkName(s string) error {
	switch {
	case s == "":
		return errors.New("the path has an empty part")
	case s == "." || s == "..":
		return fmt.Errorf("the path has the part %q", s)
	case len(s) > maxSegment:
		return fmt.Errorf("a name of %d bytes; expected at most %d", len(s), maxSegment)
	case strings.ContainsAny(s, `\*:<>?|"`) || strings.ContainsFunc(s, unprintable):
		return fmt.Errorf("%q is no file name: it holds a character that names do not have", line(s, 120))
	}
	return nil
}

const maxSegment = 1024

func unprintable(r rune) bool { return r < ' ' || r == 0x7f || r == 0xFFFD }
