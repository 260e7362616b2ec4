package incident

import (
	"net/url"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// location says where a file lies, as far as folder and name tell. All texts
// are "" when they do not.
type location struct {
	name, path, url, site string
	key                   string // equal for equal places, below a device for local files
}

// locate reads the folder and the name of a file of an alert: the folder is a
// web address for a file in the cloud and a path for one on a device. The name
// is always joined to the folder, even where the folder ends with it, since a
// folder may be called like the file in it: an address that does not exist is
// better than that of a folder.
func locate(folder, name string) location {
	if folder == "" && isWeb(name) {
		folder, name = name, ""
	}
	if isWeb(folder) {
		if l, ok := locateWeb(folder, name); ok {
			return l
		}
		// An address that could lead elsewhere is shown, never followed.
		path := strings.TrimSuffix(folder, "/") + "/" + name
		return location{name: name, path: path, key: "unclear:" + path}
	}
	return locateLocal(folder, name)
}

func isWeb(s string) bool {
	scheme, _, cut := strings.Cut(s, "://")
	return cut && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http"))
}

// locateWeb refuses addresses whose parts mean more than they say: user names
// before the host, segments that climb, escaped separators, control characters.
func locateWeb(folder, name string) (location, bool) {
	scheme, rest, _ := strings.Cut(folder, "://")
	rest, _, _ = strings.Cut(rest, "?")
	host, path, _ := strings.Cut(rest, "/")
	if !plainHost(host) {
		return location{}, false
	}
	var parts []string
	for part := range strings.SplitSeq(path, "/") {
		if part != "" {
			parts = append(parts, unescape(part))
		}
	}
	if name != "" {
		parts = append(parts, unescape(name))
	}
	if len(parts) == 0 {
		return location{}, false
	}
	for _, part := range parts {
		if !plainPart(part) {
			return location{}, false
		}
	}
	root := strings.ToLower(scheme) + "://" + strings.ToLower(host)
	l := location{name: parts[len(parts)-1], url: root + escape(parts)}
	l.key = root + escape(foldAll(parts))
	l.site, l.path = splitSite(host, parts)
	return l, true
}

// splitSite tells the site of a SharePoint address from the path below it.
func splitSite(host string, parts []string) (site, path string) {
	if len(parts) > 2 {
		switch strings.ToLower(parts[0]) {
		case "sites", "teams", "personal":
			return "/" + parts[0] + "/" + parts[1], "/" + strings.Join(parts[2:], "/")
		}
	}
	path = "/" + strings.Join(parts, "/")
	if strings.Contains(strings.ToLower(host), ".sharepoint") {
		return "/", path
	}
	return "", path
}

func locateLocal(folder, name string) location {
	sep, windows := "/", false
	if strings.Contains(folder, `\`) || (len(folder) > 1 && folder[1] == ':') {
		sep, windows = `\`, true
	}
	path := folder
	switch {
	case folder == "":
	case name == "":
		name = folder[strings.LastIndex(folder, sep)+1:]
	default:
		path = strings.TrimSuffix(folder, sep) + sep + name
	}
	l := location{name: name, path: path}
	switch {
	case path == "":
	case windows:
		l.key = Fold(path)
	default:
		l.key = norm.NFC.String(path)
	}
	return l
}

func plainHost(host string) bool {
	for i := range len(host) {
		c := host[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '.' && c != '-' && c != ':' {
			return false
		}
	}
	return host != ""
}

func plainPart(part string) bool {
	return part != "" && part != "." && part != ".." && !strings.ContainsAny(part, `/\`) &&
		strings.IndexFunc(part, unicode.IsControl) < 0
}

// unescape takes percent escapes as such if all of them are: a file may be
// called "100%".
func unescape(part string) string {
	if s, err := url.PathUnescape(part); err == nil && strings.ToValidUTF8(s, "") == s {
		return s
	}
	return part
}

func escape(parts []string) string {
	var b strings.Builder
	for _, part := range parts {
		b.WriteString("/" + url.PathEscape(part))
	}
	return b.String()
}

func foldAll(parts []string) []string {
	folded := make([]string, len(parts))
	for i, part := range parts {
		folded[i] = Fold(part)
	}
	return folded
}
