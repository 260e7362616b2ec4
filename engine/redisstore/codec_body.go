package redisstore

import "github.com/klauspost/compress/s2"

// Bodies are kept compressed where that saves something. Their first byte says
// which they are. S2 halves what JSON takes in a few microseconds; what would
// make it smaller still costs more than a step.
const (
	bodyPlain  = 'p'
	bodyShrunk = 's'
	leastBody  = 256      // bytes that are worth the work
	mostBody   = 64 << 20 // bytes that a body may have when expanded
)

// shrink answers a body as it is kept.
func shrink(b []byte) string {
	if len(b) >= leastBody {
		if most := s2.MaxEncodedLen(len(b)); most > 0 {
			out := make([]byte, 1+most)
			out[0] = bodyShrunk
			if small := s2.Encode(out[1:], b); len(small) < len(b) {
				return string(out[:1+len(small)])
			}
		}
	}
	return string(bodyPlain) + string(b)
}

// expand is the inverse of shrink. Nothing is kept as nothing.
func expand(s string) ([]byte, error) {
	if s == "" {
		return nil, nil
	}
	switch s[0] {
	case bodyPlain:
		return bytesOf(s[1:]), nil
	case bodyShrunk:
		if n, err := s2.DecodedLen([]byte(s[1:])); err != nil || n > mostBody {
			return nil, errDamaged
		}
		b, err := s2.Decode(nil, []byte(s[1:]))
		if err != nil {
			return nil, errDamaged
		}
		return b, nil
	}
	return nil, errDamaged
}
