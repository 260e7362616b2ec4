package evidence

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// emptyHash is the SHA-256 of nothing.
const emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// sign adds the headers of Signature Version 4 for the payload of that hash.
//
// Source: docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
func (b *Bucket) sign(method string, u *url.URL, head http.Header, hash string, now time.Time) {
	stamp, day := now.Format("20060102T150405Z"), now.Format("20060102")
	head.Set("X-Amz-Date", stamp)
	head.Set("X-Amz-Content-Sha256", hash)
	names := []string{"host"}
	for name := range head {
		names = append(names, strings.ToLower(name))
	}
	slices.Sort(names)
	var canonical strings.Builder
	canonical.WriteString(method + "\n" + escaped(u.Path, false) + "\n" + u.RawQuery + "\n")
	for _, name := range names {
		value := head.Get(name)
		if name == "host" {
			value = u.Host
		}
		canonical.WriteString(name + ":" + strings.TrimSpace(value) + "\n")
	}
	signed := strings.Join(names, ";")
	canonical.WriteString("\n" + signed + "\n" + hash)
	scope := day + "/" + b.o.Region + "/s3/aws4_request"
	digest := sha256.Sum256([]byte(canonical.String()))
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hex.EncodeToString(digest[:])
	key := []byte("AWS4" + string(b.o.Secret))
	for _, part := range []string{day, b.o.Region, "s3", "aws4_request"} {
		key = mac(key, part)
	}
	head.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+b.o.AccessKey+"/"+scope+",SignedHeaders="+signed+",Signature="+hex.EncodeToString(mac(key, text)))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// escaped writes a text as the signature wants it: all but letters, digits and
// -._~ as %XX, a slash as itself in a path.
func escaped(s string, slash bool) string {
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		plain := c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-._~", c) >= 0
		if plain || c == '/' && !slash {
			b.WriteByte(c)
		} else {
			b.Write([]byte{'%', hexDigits[c>>4], hexDigits[c&15]})
		}
	}
	return b.String()
}

// canonicalQuery writes a query in the order and escapes that are signed.
func canonicalQuery(q url.Values) string {
	var parts []string
	for name, values := range q {
		for _, value := range values {
			parts = append(parts, escaped(name, true)+"="+escaped(value, true))
		}
	}
	slices.Sort(parts)
	return strings.Join(parts, "&")
}
