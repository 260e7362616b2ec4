package graph

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"hash"
	"net/http"

	"stanch/connectors"
)

// DownloadItem copies the content of a file, from the address that Graph names
// for it.
//
// Source: learn.microsoft.com/graph/api/driveitem-get-content.
func (c *Client) DownloadItem(ctx context.Context, change connectors.Change, drive, item string, to connectors.Copy) error {
	op := "download item " + connectors.Plain(item)
	r := connectors.Request{Op: op, Path: itemPath(drive, item, "content"), Permission: filesRead}
	for asked := 1; ; asked++ {
		at, err := c.api.Redirected(ctx, r)
		if err != nil {
			return err
		}
		reply, err := c.api.DownloadAt(ctx, change, r, at, to)
		if reply.Status == http.StatusUnauthorized && asked == 1 {
			continue // an address is good for a few minutes, and no content came
		}
		return err
	}
}

// QuickXor is the hash that SharePoint and OneDrive for work give of a file's
// content.
//
// Source: learn.microsoft.com/onedrive/developer/code-snippets/quickxorhash.
type QuickXor struct {
	cells [20]byte
	n     uint64
}

var _ hash.Hash = (*QuickXor)(nil)

// Write adds content: each byte 11 bits farther in 160 bits.
func (q *QuickXor) Write(b []byte) (int, error) {
	for _, c := range b {
		bit := q.n % 160 * 11 % 160
		at, shift := bit/8, bit%8
		q.cells[at] ^= c << shift
		q.cells[(at+1)%20] ^= byte(uint16(c) << shift >> 8)
		q.n++
	}
	return len(b), nil
}

// Sum appends the hash: the length of the content goes into its last 64 bits.
func (q *QuickXor) Sum(b []byte) []byte {
	out := q.cells
	binary.LittleEndian.PutUint64(out[12:], binary.LittleEndian.Uint64(out[12:])^q.n)
	return append(b, out[:]...)
}

// Text is the hash as Graph writes it.
func (q *QuickXor) Text() string { return base64.StdEncoding.EncodeToString(q.Sum(nil)) }

// Reset forgets the content.
func (q *QuickXor) Reset() { *q = QuickXor{} }

// Size is that of the hash, in bytes.
func (q *QuickXor) Size() int { return 20 }

// BlockSize is that of the content, in bytes.
func (q *QuickXor) BlockSize() int { return 64 }
