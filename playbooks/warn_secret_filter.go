package playbooks

import "strings"

// mayHoldSecret reports whether secretForm can match at all. It is asked first,
// of every text: the patterns cost more than all other checks together.
func mayHoldSecret(s string) bool {
	for _, part := range []string{
		"-----BEGIN ", "eyJ", "AKIA", "ASIA", "7Q~", "8Q~",
		"ghp_", "gho_", "ghs_", "ghu_", "xox", "://",
	} {
		if strings.Contains(s, part) {
			return true
		}
	}
	for i := 3; i < len(s); i++ {
		switch s[i] {
		case '=': // behind …Key, sig, …word, Pwd
			if strings.IndexByte("ygd", s[i-1]|0x20) >= 0 {
				return true
			}
		case ' ': // behind Bearer
			if s[i-1]|0x20 == 'r' && s[i-2]|0x20 == 'e' && s[i-3]|0x20 == 'r' {
				return true
			}
		}
	}
	// (?i) also folds the long s and the Kelvin sign.
	return strings.ContainsAny(s, "\u017f\u212a")
}
