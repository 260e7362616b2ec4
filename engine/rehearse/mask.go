package rehearse

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strings"
	"time"
)

// What stands in for itself wherever it is found in a text.
var (
	mailPattern = regexp.MustCompile(`[A-Za-z0-9._%+#-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+`)
	urlPattern  = regexp.MustCompile(`https?://[^\s"'<>]+`)
	guidPattern = regexp.MustCompile(`(?i)[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b`)
	hashPattern = regexp.MustCompile(`(?i)\b[0-9a-f]{32,}\b`)
	ipPattern   = regexp.MustCompile(`\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|\b(?:[0-9a-fA-F]{1,4}:){3,7}[0-9a-fA-F]{1,4}\b`)
)

// mask replaces what is sensitive, everywhere by the same stand-in. What the
// playbook itself says is not replaced: its conditions compare with it.
type mask struct {
	known string // text of the playbook
	to    map[string]string
	count map[string]int
	order []string // keys of to, the longest first; nil: to be made
}

func newMask(playbook string) *mask {
	return &mask{known: playbook, to: map[string]string{}, count: map[string]int{}}
}

// put answers the stand-in of a text of a kind, made by next if it is new.
func (m *mask) put(text, kind string, next func(n int) string) string {
	if strings.TrimSpace(text) == "" || strings.Contains(m.known, text) {
		return text
	}
	if to, ok := m.to[text]; ok {
		return to
	}
	m.count[kind]++
	to := next(m.count[kind])
	m.to[text], m.order = to, nil
	return to
}

func (m *mask) mail(s string) string {
	return m.put(s, "mail", func(n int) string {
		_, domain, _ := strings.Cut(s, "@")
		return fmt.Sprintf("person-%d@%s", n, m.domain(domain))
	})
}

// domain keeps which addresses share a domain.
func (m *mask) domain(s string) string {
	return m.put(strings.ToLower(s), "domain", func(n int) string {
		names := []string{"contoso.example", "fabrikam.example", "northwind.example", "adatum.example", "litware.example"}
		if n <= len(names) {
			return names[n-1]
		}
		return fmt.Sprintf("company-%d.example", n)
	})
}

// address keeps the shape of an address: its host, and which folders and names
// it shares with others.
func (m *mask) address(s string) string {
	u, err := url.Parse(s)
	if err != nil || strings.Contains(m.known, s) {
		return m.put(s, "url", func(n int) string { return fmt.Sprintf("https://contoso.example/%d", n) })
	}
	return m.put(s, "url", func(int) string {
		host := m.put(u.Host, "host", func(n int) string { return fmt.Sprintf("host-%d.contoso.example", n) })
		parts := strings.Split(u.Path, "/")
		for i, p := range parts {
			parts[i] = url.PathEscape(m.segment(p))
		}
		return u.Scheme + "://" + host + strings.Join(parts, "/")
	})
}

// segment is the stand-in of a folder's or file's name.
func (m *mask) segment(s string) string {
	usual := []string{"", "sites", "personal", "teams", "Shared Documents", "Documents", "Users", "Desktop", "Downloads"}
	if slices.Contains(usual, s) || len(s) == 2 && s[1] == ':' || strings.Trim(s, "0123456789") == "" && len(s) < 5 {
		return s
	}
	return m.put(s, "name", func(n int) string {
		ext := path.Ext(s)
		if len(ext) < 2 || len(ext) > 6 {
			return fmt.Sprintf("name-%d", n)
		}
		return fmt.Sprintf("file-%d%s", n, ext)
	})
}

func (m *mask) guid(s string) string {
	return m.put(s, "guid", func(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) })
}

func (m *mask) hash(s string) string {
	return m.put(s, "hash", func(n int) string {
		sum := sha256.Sum256(fmt.Appendf(nil, "stand-in %d", n))
		all := strings.Repeat(hex.EncodeToString(sum[:]), 1+len(s)/64)
		return all[:len(s)]
	})
}

func (m *mask) ip(s string) string {
	return m.put(s, "ip", func(n int) string {
		if strings.Contains(s, ":") {
			return fmt.Sprintf("2001:db8::%x", n)
		}
		return fmt.Sprintf("192.0.2.%d", 1+(n-1)%254)
	})
}

// found replaces what a pattern finds in a text.
func (m *mask) found(s string) string {
	s = urlPattern.ReplaceAllStringFunc(s, m.address)
	s = mailPattern.ReplaceAllStringFunc(s, func(x string) string {
		if m.standIn(x) {
			return x
		}
		return m.mail(x)
	})
	for pattern, by := range map[*regexp.Regexp]func(string) string{guidPattern: m.guid, ipPattern: m.ip} {
		s = pattern.ReplaceAllStringFunc(s, func(x string) string {
			if m.standIn(x) {
				return x
			}
			return by(x)
		})
	}
	return hashPattern.ReplaceAllStringFunc(s, func(x string) string {
		if m.standIn(x) {
			return x
		}
		return m.hash(x)
	})
}

// standIn reports whether a text is one of ours already.
func (m *mask) standIn(s string) bool {
	for _, to := range m.to {
		if to == s || strings.Contains(to, s) {
			return true
		}
	}
	return false
}

// learn goes through the event and gives everything in it that is sensitive a
// stand-in.
func (m *mask) learn(v any, key string) {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			m.learn(v[k], k)
		}
	case []any:
		for _, item := range v {
			m.learn(item, key)
		}
	case string:
		m.text(v, key)
	}
}

// text gives a text its stand-in by the field it stands in.
func (m *mask) text(s, key string) {
	switch key {
	case "title", "description", "text", "subject", "command_line", "category", "author", "summary":
		m.put(s, key, func(n int) string { return fmt.Sprintf("%s %d", key, n) })
	case "path", "site":
		for part := range strings.FieldsFuncSeq(s, func(r rune) bool { return r == '/' || r == '\\' }) {
			m.segment(part)
		}
	case "name":
		if strings.Contains(s, "@") {
			m.found(s)
		} else {
			m.segment(s)
		}
	case "domain":
		m.domain(s)
	case "policies", "policy", "rule", "image", "sid", "drive_id", "item_id", "label":
		m.put(s, key, func(n int) string { return fmt.Sprintf("%s-%d", strings.ReplaceAll(key, "_", "-"), n) })
	default:
		m.found(s)
	}
}

// apply answers a value with stand-ins for all that was learnt, and for what a
// pattern finds besides.
func (m *mask) apply(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, item := range v {
			out[k] = m.apply(item)
		}
		return out
	case []any:
		out := make([]any, len(v))
		for i := range v {
			out[i] = m.apply(v[i])
		}
		return out
	case string:
		return m.word(v)
	}
	return v
}

func (m *mask) word(s string) string {
	if to, ok := m.to[s]; ok {
		return to
	}
	if _, err := time.Parse(time.RFC3339, s); err == nil {
		return s // when it was tells of nobody, and conditions ask for it
	}
	if m.order == nil {
		m.order = slices.SortedFunc(maps.Keys(m.to), func(a, b string) int {
			return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b))
		})
	}
	const short = 3 // shorter texts are parts of anything
	pairs := []string{}
	for _, from := range m.order {
		if len(from) > short {
			pairs = append(pairs, from, m.to[from], url.PathEscape(from), url.PathEscape(m.to[from]))
		}
	}
	return m.found(strings.NewReplacer(pairs...).Replace(s))
}
