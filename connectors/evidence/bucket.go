package evidence

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"stanch/connectors"
	"stanch/connectors/egress"
)

// BucketOptions say which bucket of which service, and how it knows us.
type BucketOptions struct {
	Endpoint  string // https://s3.eu-central-1.amazonaws.com, or that of another service with the protocol
	Bucket    string
	Region    string // as requests are signed for
	Prefix    string // before the names of items, such as stanch/
	AccessKey string
	Secret    connectors.Secret
	CA        []byte        // further certificates (PEM) to trust
	Dialer    egress.Dialer // the endpoint is trusted in it
	Drafts    string        // folder in which items are sealed before they are sent
	Now       func() time.Time
}

// Bucket keeps items in a bucket that speaks the S3 protocol: PutObject,
// GetObject, ListObjectsV2 and DeleteObject, addressed by path and signed with
// Signature Version 4.
//
// Source: docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_Simple_Storage_Service.html.
type Bucket struct {
	o    BucketOptions
	base *url.URL
	http *connectors.HTTP
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

// transferTimeout bounds one request to a bucket.
const transferTimeout = 10 * time.Minute

// NewBucket answers a bucket. What of the options cannot be is an error that
// names it by its key in the operator's file.
func NewBucket(o BucketOptions) (*Bucket, error) {
	u, err := url.Parse(strings.TrimRight(o.Endpoint, "/"))
	switch {
	case err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil || u.Path != "" || u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("endpoint: expected https://host[:port] and no more")
	case !bucketName.MatchString(o.Bucket):
		return nil, fmt.Errorf("name: %q is no bucket; expected 3 to 63 small letters, digits, dots and hyphens", o.Bucket)
	case o.Region == "" || strings.ContainsAny(o.Region, "/ \r\n"):
		return nil, errors.New("region: expected one such as eu-central-1")
	case o.AccessKey == "" || strings.ContainsAny(o.AccessKey, "/, \r\n"):
		return nil, errors.New("access_key: expected the id of an access key")
	case o.Secret == "":
		return nil, errors.New("secret_key: there is none")
	case strings.HasPrefix(o.Prefix, "/") || strings.Contains(o.Prefix, "..") || len(o.Prefix) > 200:
		return nil, errors.New("prefix: expected one such as stanch/")
	}
	at, err := egress.HostPort(u.Scheme, u.Host)
	if err != nil {
		return nil, fmt.Errorf("endpoint: %w", err)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if err := os.MkdirAll(o.Drafts, 0o700); err != nil {
		return nil, fmt.Errorf("drafts: %w", err)
	}
	o.Dialer.Trusted = []string{at}
	h, err := connectors.NewHTTP(connectors.HTTPOptions{Name: "evidence", Dialer: o.Dialer, CA: o.CA, Timeout: transferTimeout, MaxBody: maxListing})
	if err != nil {
		return nil, err
	}
	return &Bucket{o: o, base: u, http: h}, nil
}

// maxListing bounds one page of a listing, in bytes; it has at most 1,000 names.
const maxListing = 4 << 20

// Folder is where drafts lie. They are sealed.
func (b *Bucket) Folder() string { return b.o.Drafts }

// at is the address of an object, or of the bucket.
func (b *Bucket) at(name string, query url.Values) *url.URL {
	u := *b.base
	u.Path = "/" + b.o.Bucket
	if name != "" {
		u.Path += "/" + b.o.Prefix + name
	}
	u.RawPath = escaped(u.Path, false)
	u.RawQuery = canonicalQuery(query)
	return &u
}

// Put sends the file as one object. Its hash goes along signed, so that what
// arrives is what was sent.
func (b *Bucket) Put(ctx context.Context, name string, sealed *os.File) error {
	hash := sha256.New()
	size, err := sealed.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = sealed.Seek(0, io.SeekStart)
	}
	if err == nil {
		_, err = io.CopyBuffer(hash, io.LimitReader(sealed, size), make([]byte, chunkSize))
	}
	if err == nil {
		_, err = sealed.Seek(0, io.SeekStart)
	}
	if err != nil {
		return broken("an item cannot be read", err)
	}
	r := b.request(http.MethodPut, "put "+name, b.at(name, nil), nil, hex.EncodeToString(hash.Sum(nil)))
	r.Stream, r.Length = sealed, size
	_, err = b.send(ctx, r)
	return err
}

// Get reads an object, or its first bytes.
func (b *Bucket) Get(ctx context.Context, name string, most int64, into io.Writer) error {
	head := http.Header{}
	if most > 0 {
		head.Set("Range", "bytes=0-"+strconv.FormatInt(most-1, 10))
	}
	sink := &blamed{to: into}
	r := b.request(http.MethodGet, "get "+name, b.at(name, nil), head, emptyHash)
	r.Into, r.MaxBody = sink, maxItem+maxItem/1024
	reply, err := b.http.Read(ctx, r)
	switch {
	case sink.err != nil:
		return spoiled(name, sink.err)
	case err != nil:
		return err
	case reply.Status == http.StatusNotFound:
		return notKept(name)
	}
	return b.judge(r, reply, false)
}

// listing is the answer of ListObjectsV2.
type listing struct {
	XMLName   xml.Name `xml:"ListBucketResult"`
	Truncated bool     `xml:"IsTruncated"`
	Next      string   `xml:"NextContinuationToken"`
	Contents  []struct {
		Key          string    `xml:"Key"`
		LastModified time.Time `xml:"LastModified"`
		Size         int64     `xml:"Size"`
	} `xml:"Contents"`
}

// maxPages bounds a listing: a million items.
const maxPages = 1000

// List reads all pages of the listing below the prefix.
func (b *Bucket) List(ctx context.Context) ([]Entry, error) {
	var all []Entry
	next := ""
	for range maxPages {
		q := url.Values{"list-type": {"2"}, "prefix": {b.o.Prefix}}
		if next != "" {
			q.Set("continuation-token", next)
		}
		r := b.request(http.MethodGet, "list", b.at("", q), nil, emptyHash)
		reply, err := b.http.Read(ctx, r)
		if err != nil {
			return nil, err
		}
		if err := b.judge(r, reply, false); err != nil {
			return nil, err
		}
		var page listing
		if err := xml.Unmarshal(reply.Body, &page); err != nil {
			return nil, problem(connectors.Failed, "see that evidence.bucket.endpoint is the service and no proxy answers in its place", "the listing of the bucket cannot be read")
		}
		for _, c := range page.Contents {
			if name, is := strings.CutPrefix(c.Key, b.o.Prefix); is {
				all = append(all, Entry{name, c.Size, c.LastModified.UTC()})
			}
		}
		if !page.Truncated {
			return all, nil
		}
		if page.Next == "" || page.Next == next {
			return nil, problem(connectors.Failed, "", "the listing of the bucket does not go on: it names no next page")
		}
		next = page.Next
	}
	return nil, problem(connectors.Limit, "keep evidence for a shorter time, or in another prefix", "the bucket holds more than a million objects")
}

// Delete removes an object; one that is gone is no error, says the protocol.
func (b *Bucket) Delete(ctx context.Context, name string) error {
	_, err := b.send(ctx, b.request(http.MethodDelete, "delete "+name, b.at(name, nil), nil, emptyHash))
	return err
}

func (b *Bucket) request(method, op string, u *url.URL, head http.Header, hash string) connectors.HTTPRequest {
	if head == nil {
		head = http.Header{}
	}
	b.sign(method, u, head, hash, b.o.Now().UTC())
	return connectors.HTTPRequest{Op: op, Method: method, URL: u, Header: head, Bound: true}
}

// send does a changing request. It is our own place and no effect on the tenant:
// its id is its own.
func (b *Bucket) send(ctx context.Context, r connectors.HTTPRequest) (connectors.HTTPReply, error) {
	reply, err := b.http.Send(ctx, connectors.Change{ID: rand.Text()}, r)
	if err != nil {
		return reply, err
	}
	return reply, b.judge(r, reply, true)
}

// judge answers the error of a reply that is no success, with the code and
// message of its XML.
func (b *Bucket) judge(r connectors.HTTPRequest, reply connectors.HTTPReply, changed bool) error {
	if reply.Status >= 200 && reply.Status <= 299 {
		return nil
	}
	e := b.http.Judge(r, connectors.HTTPReply{Status: reply.Status, Header: reply.Header}, changed)
	var said struct {
		Code    string `xml:"Code"`
		Message string `xml:"Message"`
	}
	if xml.Unmarshal(reply.Body, &said) == nil && said.Code != "" {
		e.ServiceCode, e.Message = connectors.Plain(said.Code), connectors.Plain(said.Message)
	}
	if e.Code == connectors.Unauthorized || e.Code == connectors.Forbidden {
		e.Hint = "see access_key, secret_key and region of evidence.bucket, what the key may do there, and this machine's clock"
	}
	return e
}
