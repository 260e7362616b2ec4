package redisstore

import (
	"bytes"
	"compress/flate"
	"io"
	"sync"
)

// Bodies are kept compressed where that saves something. Their first byte says
// which they are.
const (
	bodyPlain    = 'p'
	bodyDeflated = 'z'
	leastBody    = 512      // bytes that are worth the work
	mostBody     = 64 << 20 // bytes that a body may have when expanded
)

var deflaters = sync.Pool{New: func() any {
	w, err := flate.NewWriter(io.Discard, flate.BestSpeed)
	if err != nil { // the level is one that there is
		panic(err)
	}
	return w
}}

// shrink answers a body as it is kept.
func shrink(b []byte) string {
	if len(b) >= leastBody {
		var out bytes.Buffer
		out.Grow(len(b) / 2)
		out.WriteByte(bodyDeflated)
		w := deflaters.Get().(*flate.Writer)
		w.Reset(&out)
		_, err1 := w.Write(b)
		err2 := w.Close()
		deflaters.Put(w)
		if err1 == nil && err2 == nil && out.Len() < len(b) {
			return out.String()
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
	case bodyDeflated:
		r := flate.NewReader(io.LimitReader(bytes.NewReader([]byte(s[1:])), mostBody))
		b, err := io.ReadAll(io.LimitReader(r, mostBody+1))
		if err != nil || len(b) > mostBody {
			return nil, errDamaged
		}
		return b, r.Close()
	}
	return nil, errDamaged
}
