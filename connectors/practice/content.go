package practice

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"net/url"
	"strings"
)

// downloadPath is where content lies that a driveItem's /content leads to.
const downloadPath = "/_layouts/15/download.aspx"

// opening is the begin of a file's content; zeros follow up to its size.
func (i *item) opening() []byte {
	text := []byte("A practice file: " + i.unique + "\n")
	return text[:min(int64(len(text)), i.size)]
}

// contentHash is the QuickXorHash of the content: every byte is put into 160
// bits, 11 bits farther each, and the length into the last 64
// [onedrive-api-docs docs/code-snippets/quickxorhash.md].
func (i *item) contentHash() string {
	var h [20]byte
	for n, b := range i.opening() { // the zeros behind it change nothing
		bit := n * 11 % 160
		at, shift := bit/8, bit%8
		h[at] ^= b << shift
		h[(at+1)%20] ^= byte(uint16(b) << shift >> 8)
	}
	var size [8]byte
	binary.LittleEndian.PutUint64(size[:], uint64(i.size))
	for n, b := range size {
		h[12+n] ^= b
	}
	return base64.StdEncoding.EncodeToString(h[:])
}

// ticket is what the address of a download is good for.
func (i *item) ticket() string {
	return base64.RawURLEncoding.EncodeToString([]byte(guid("download", i.drive.id, i.id)))
}

// contentOf answers where the content lies: 302, an address that needs no
// bearer token [graph-docs driveitem-get-content.md].
func contentOf(c *call) (reply, error) {
	i, err := c.item()
	if err != nil {
		return reply{}, err
	}
	if i.folder {
		return reply{}, fail(http.StatusBadRequest, "invalidRequest", "You cannot get content for a folder.")
	}
	q := url.Values{"UniqueId": {i.drive.id + "/" + i.id}, "Translate": {"false"}, "ApiVersion": {"2.0"}, "tempauth": {i.ticket()}}
	return reply{status: http.StatusFound}.with("Location", c.origin()+downloadPath+"?"+q.Encode()), nil
}

// downloaded answers the content. The audit has it, as Microsoft's has
// FileDownloaded.
func (c *call) downloaded() (reply, error) {
	c.api = files
	q := c.r.URL.Query()
	i := c.w.items[q.Get("UniqueId")]
	switch {
	case c.r.Method != http.MethodGet:
		return reply{}, fail(http.StatusMethodNotAllowed, "invalidRequest", "Specified HTTP method is not allowed for the request target.")
	case i == nil || i.deleted || q.Get("tempauth") != i.ticket():
		return reply{}, fail(http.StatusUnauthorized, "unauthenticated", "The address of the download is not valid.")
	}
	c.app = App{Name: "who knows the address"}
	c.record(Change{Operation: "item.download", Target: i.target(), Before: object{"name": i.name, "path": i.path()}, Status: http.StatusOK})
	body := append(bytes.Clone(i.opening()), make([]byte, i.size-int64(len(i.opening())))...)
	kind, _, _ := strings.Cut(mimeOf(i.name), ";")
	return reply{status: http.StatusOK, body: body}.with("Content-Type", kind), nil
}
