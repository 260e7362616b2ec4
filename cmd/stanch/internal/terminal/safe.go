package terminal

import (
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Safe makes visible what a terminal would obey or hide: control characters
// (newline and tab stay), marks that turn the direction of text, invisible
// characters and bytes that are no UTF-8 become escapes such as \u001b. In a
// JSON string the escape means the character, so JSON stays the same data.
func Safe(s string) string { return escape(s, jsonEscape) }

// jsonEscape writes a character beyond the first 65,536 as JSON does.
func jsonEscape(r rune) string {
	high, low := utf16.EncodeRune(r)
	return fmt.Sprintf(`\u%04x\u%04x`, high, low)
}

// yamlEscape writes it as YAML does.
func yamlEscape(r rune) string { return fmt.Sprintf(`\U%08x`, r) }

func escape(s string, far func(rune) string) string {
	if !strings.ContainsFunc(s, unsafe) {
		return s
	}
	var b strings.Builder
	b.Grow(len(s) + 16)
	for i, r := range s {
		switch {
		case r == utf8.RuneError:
			if _, size := utf8.DecodeRuneInString(s[i:]); size == 1 {
				fmt.Fprintf(&b, `\u00%02x`, s[i])
			} else {
				b.WriteRune(r)
			}
		case !unsafe(r):
			b.WriteRune(r)
		case r > 0xffff:
			b.WriteString(far(r))
		default:
			fmt.Fprintf(&b, `\u%04x`, r)
		}
	}
	return b.String()
}

// OneLine is Safe for a cell or a sentence: line ends and tabs are made visible
// too.
func OneLine(s string) string {
	return strings.NewReplacer("\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(Safe(s))
}

func unsafe(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return false
	case r < 0x20, r >= 0x7f && r < 0xa0: // C0, DEL, C1
		return true
	case r == 0xad, r == 0x61c, r == 0x180e, r >= 0x200b && r <= 0x200f: // soft hyphen, marks of direction, zero width
		return true
	case r >= 0x2028 && r <= 0x202e, r >= 0x2060 && r <= 0x206f: // separators, embeddings, isolates, invisible operators
		return true
	case r == 0xfeff, r >= 0xfff9 && r <= 0xfffb, r >= 0xe0000 && r <= 0xe007f: // byte order mark, annotations, tags
		return true
	case r == utf8.RuneError: // or a byte that is no UTF-8: looked at by Safe
		return true
	}
	return false
}
