package incident

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// Fold returns the form of s in which two spellings of one name are equal:
// Unicode normal form C, letters in one case, no space around it. Names of
// users, sites and protected entities are compared so, as the services that
// own them do. Case folding is the simple one of Unicode: ı, İ and i stay
// three letters, ß and ss two spellings.
func Fold(s string) string {
	s = strings.TrimSpace(s)
	if ascii(s) {
		return strings.ToLower(s)
	}
	return norm.NFC.String(strings.Map(foldRune, norm.NFC.String(s)))
}

func ascii(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

// foldRune returns one letter for all that differ by case only: the lower case
// of the smallest, when that is one of them.
func foldRune(r rune) rune {
	least, lower := r, rune(-1)
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		least = min(least, f)
	}
	for f, low := r, unicode.ToLower(least); ; {
		if f == low {
			lower = low
		}
		if f = unicode.SimpleFold(f); f == r {
			break
		}
	}
	if lower >= 0 {
		return lower
	}
	return least
}
