package evidence

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"

	"stanch/connectors"
)

// A sealed item is
//
//	"STEV1\n", length of the key's id (1 byte), the id, salt (32 bytes),
//	length of the sealed description (4 bytes, big endian), the sealed
//	description, chunks
//
// Description and chunks are sealed with AES-256-GCM by a key of the item's own:
// HKDF-SHA256 of the operator's key and the salt. The nonce is the number of the
// chunk, the description being 0, and whether it is the last, so that no chunk
// can be taken away, repeated or moved. All chunks but the last have 64 KiB of
// content; the last has 0 to 64 KiB.
const (
	magic     = "STEV1\n"
	saltSize  = 32
	tagSize   = 16
	chunkSize = 64 << 10
	maxAbout  = 8 << 10 // of a sealed description
	maxHead   = int64(len(magic)) + 1 + 64 + saltSize + 4 + maxAbout
	maxItem   = int64(64) << 30 // far below 2³² chunks
)

// readKey reads an operator's key: 32 bytes in base64.
func readKey(s connectors.Secret) ([]byte, error) {
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawURLEncoding} {
		if key, err := encoding.DecodeString(string(s)); err == nil && len(key) == 32 {
			return key, nil
		}
	}
	return nil, errors.New("it is no key; expected 32 random bytes in base64, such as `openssl rand -base64 32` makes")
}

// itemKey is the key of one item.
func itemKey(master, salt []byte) (cipher.AEAD, error) {
	key, err := hkdf.Key(sha256.New, master, salt, "stanch evidence 1", 32)
	if err != nil {
		return nil, err
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// nonce of a chunk.
func nonce(n uint32, last bool) []byte {
	b := make([]byte, 12)
	binary.BigEndian.PutUint32(b[7:11], n)
	if last {
		b[11] = 1
	}
	return b
}

// sealer seals what is written to it.
type sealer struct {
	to     io.Writer
	aead   cipher.AEAD
	n      uint32
	chunk  []byte
	sealed []byte
}

func newSealer(to io.Writer, master []byte, id string, about []byte) (*sealer, error) {
	salt := make([]byte, saltSize)
	_, _ = rand.Read(salt) // never fails since Go 1.24
	aead, err := itemKey(master, salt)
	if err != nil {
		return nil, err
	}
	if len(about)+tagSize > maxAbout || len(id) > math.MaxUint8 {
		return nil, fmt.Errorf("a description of %d bytes; expected at most %d", len(about), maxAbout-tagSize)
	}
	head := append([]byte(magic), byte(len(id)))
	head = append(append(head, id...), salt...)
	head = binary.BigEndian.AppendUint32(head, uint32(len(about)+tagSize))
	head = aead.Seal(head, nonce(0, false), about, nil)
	if _, err := to.Write(head); err != nil {
		return nil, err
	}
	return &sealer{to: to, aead: aead, chunk: make([]byte, 0, chunkSize)}, nil
}

func (s *sealer) Write(b []byte) (int, error) {
	written := 0
	for len(b) > 0 {
		if len(s.chunk) == chunkSize { // there is more: it is not the last
			if err := s.flush(false); err != nil {
				return written, err
			}
		}
		n := min(len(b), chunkSize-len(s.chunk))
		s.chunk = append(s.chunk, b[:n]...)
		b, written = b[n:], written+n
	}
	return written, nil
}

func (s *sealer) flush(last bool) error {
	s.n++
	s.sealed = s.aead.Seal(s.sealed[:0], nonce(s.n, last), s.chunk, nil)
	s.chunk = s.chunk[:0]
	_, err := s.to.Write(s.sealed)
	return err
}

// Close seals the last chunk.
func (s *sealer) Close() error { return s.flush(true) }

// opener opens what a sealer has written, as it comes.
type opener struct {
	keys     map[string][]byte
	into     io.Writer
	headOnly bool

	in    []byte
	aead  cipher.AEAD
	key   string // id of the key
	about []byte
	head  int64 // bytes of the head
	n     uint32
	plain []byte
}

var errShort = errors.New("it ends too early")

func (o *opener) Write(b []byte) (int, error) {
	if o.headOnly && o.about != nil {
		return len(b), nil
	}
	given := len(b)
	if o.in = append(o.in, b...); o.aead == nil || o.about == nil {
		if err := o.begin(); errors.Is(err, errShort) {
			return given, nil
		} else if err != nil {
			return 0, err
		}
	}
	for !o.headOnly && len(o.in) > chunkSize+tagSize { // more follows: it is not the last
		if err := o.open(chunkSize+tagSize, false); err != nil {
			return 0, err
		}
	}
	return given, nil
}

// begin reads the head; errShort says that there is not enough of it yet.
func (o *opener) begin() error {
	rest, is := bytes.CutPrefix(o.in, []byte(magic[:min(len(magic), len(o.in))]))
	switch {
	case !is:
		return errors.New("it does not begin as sealed evidence")
	case len(rest) < 1 || len(rest) < 1+int(rest[0])+saltSize+4:
		return errShort
	}
	id, rest := string(rest[1:1+rest[0]]), rest[1+rest[0]:]
	salt, rest := rest[:saltSize], rest[saltSize:]
	size := binary.BigEndian.Uint32(rest)
	rest = rest[4:]
	o.key = connectors.Plain(id)
	switch {
	case size > maxAbout || size < tagSize:
		return fmt.Errorf("its description has %d bytes; expected %d to %d", size, tagSize, maxAbout)
	case len(rest) < int(size):
		return errShort
	case o.keys[id] == nil:
		return fmt.Errorf("it is sealed with the key %q, which is not among evidence.keys", o.key)
	}
	var err error
	if o.aead, err = itemKey(o.keys[id], salt); err != nil {
		return err
	}
	if o.about, err = o.aead.Open(nil, nonce(0, false), rest[:size], nil); err != nil {
		return errors.New("its description does not open: it was changed, or the key is another")
	}
	o.head = int64(len(magic) + 1 + len(id) + saltSize + 4 + int(size))
	o.in = append(make([]byte, 0, 2*chunkSize), rest[size:]...)
	return nil
}

func (o *opener) open(size int, last bool) error {
	o.n++
	var err error
	if o.plain, err = o.aead.Open(o.plain[:0], nonce(o.n, last), o.in[:size], nil); err != nil {
		return fmt.Errorf("part %d of its content does not open: it was changed or cut", o.n)
	}
	o.in = append(o.in[:0], o.in[size:]...)
	if _, err = o.into.Write(o.plain); err != nil {
		return &outError{err}
	}
	return nil
}

// outError is that what was opened could not be written.
type outError struct{ error }

func (e *outError) Unwrap() error { return e.error }

// Close opens the last chunk.
func (o *opener) Close() error {
	if o.aead == nil || len(o.in) < tagSize {
		return errShort
	}
	return o.open(len(o.in), true)
}

// described reads the description.
func (o *opener) described(into *described) error {
	if o.about == nil {
		return errShort
	}
	return json.Unmarshal(o.about, into)
}

// content is how many bytes of content a sealed item of that size has.
func (o *opener) content(sealed int64) int64 {
	body := sealed - o.head
	chunks := (body + chunkSize + tagSize - 1) / (chunkSize + tagSize)
	return max(body-chunks*tagSize, 0)
}
