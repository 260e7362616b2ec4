package evidence

import (
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// The examples of docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html.
func TestSignaturesAreThoseOfTheDocumentation(t *testing.T) {
	b := &Bucket{o: BucketOptions{Region: "us-east-1", AccessKey: "AKIAIOSFODNN7EXAMPLE", Secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}}
	now := time.Date(2013, 5, 24, 0, 0, 0, 0, time.UTC)
	for address, c := range map[string]struct {
		method string
		head   http.Header
		hash   string
		want   string
	}{
		"https://examplebucket.s3.amazonaws.com/test.txt": {
			"GET", http.Header{"Range": {"bytes=0-9"}}, emptyHash, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
		},
		"https://examplebucket.s3.amazonaws.com/test$file.text": {
			"PUT",
			http.Header{"Date": {"Fri, 24 May 2013 00:00:00 GMT"}, "X-Amz-Storage-Class": {"REDUCED_REDUNDANCY"}},
			"44ce7dd67c959e0d3524ffac1771dfbba87d2b6b4b4e99e42034a8b803f8b072", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
		},
		"https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J": {
			"GET", http.Header{}, emptyHash, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
		},
	} {
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		u.RawQuery = canonicalQuery(u.Query())
		b.sign(c.method, u, c.head, c.hash, now)
		if got := c.head.Get("Authorization"); !strings.HasSuffix(got, "Signature="+c.want) {
			t.Errorf("%s: %s; want signature %s", address, got, c.want)
		}
	}
}
