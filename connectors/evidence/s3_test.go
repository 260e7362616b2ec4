package evidence_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/egress"
	"stanch/connectors/evidence"
)

const (
	accessKey = "AKIDTEST"
	secretKey = "secret-of-the-test-key"
	region    = "eu-central-1"
)

// s3 is a server that speaks the part of the S3 protocol that buckets use, and
// checks what a service checks: signature, time, hash of the payload.
type s3 struct {
	t       *testing.T
	mu      sync.Mutex
	objects map[string]object
	now     time.Time
	page    int
	// wrong, where set, answers in place of the service.
	wrong func(http.ResponseWriter, *http.Request) bool
	url   string
	ca    []byte
}

type object struct {
	body []byte
	at   time.Time
}

func startS3(t *testing.T) *s3 {
	s := &s3{t: t, objects: map[string]object{}, now: time.Now(), page: 2}
	server := httptest.NewTLSServer(s)
	t.Cleanup(server.Close)
	s.url = server.URL
	s.ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	return s
}

func (s *s3) options(t *testing.T) evidence.BucketOptions {
	guard, err := egress.New(egress.Policy{Own: func() ([]net.Addr, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	return evidence.BucketOptions{
		Endpoint: s.url, Bucket: "evidence", Region: region, Prefix: "stanch/", AccessKey: accessKey, Secret: connectors.Secret(secretKey),
		CA: s.ca, Dialer: egress.Dialer{Guard: guard}, Drafts: filepath.Join(t.TempDir(), "drafts"), Now: func() time.Time { return s.now },
	}
}

func (s *s3) bucket(t *testing.T) *evidence.Bucket {
	t.Helper()
	b, err := evidence.NewBucket(s.options(t))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func fault(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>said %s</Message><RequestId>r1</RequestId></Error>`, code, code)
}

func (s *s3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wrong != nil && s.wrong(w, r) {
		return
	}
	if code := s.denied(r, body); code != "" {
		fault(w, http.StatusForbidden, code)
		return
	}
	bucket, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	if bucket != "evidence" {
		fault(w, http.StatusNotFound, "NoSuchBucket")
		return
	}
	switch {
	case r.Method == http.MethodGet && key == "":
		s.list(w, r.URL.Query())
	case r.Method == http.MethodGet:
		s.get(w, r, key)
	case r.Method == http.MethodPut && key != "":
		s.objects[key] = object{body, s.now.UTC().Truncate(time.Second)}
	case r.Method == http.MethodDelete && key != "":
		delete(s.objects, key)
		w.WriteHeader(http.StatusNoContent)
	default:
		fault(w, http.StatusMethodNotAllowed, "MethodNotAllowed")
	}
}

func (s *s3) get(w http.ResponseWriter, r *http.Request, key string) {
	o, is := s.objects[key]
	if !is {
		fault(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	http.ServeContent(w, r, "", o.at, strings.NewReader(string(o.body)))
}

func (s *s3) list(w http.ResponseWriter, q url.Values) {
	type content struct {
		Key          string
		LastModified string
		Size         int
	}
	var out struct {
		XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
		IsTruncated           bool
		NextContinuationToken string `xml:",omitempty"`
		Contents              []content
	}
	if q.Get("list-type") != "2" {
		fault(w, http.StatusNotImplemented, "NotImplemented")
		return
	}
	from := 0
	if token := q.Get("continuation-token"); token != "" {
		n, err := strconv.Atoi(strings.TrimPrefix(token, "page/+="))
		if err != nil {
			fault(w, http.StatusBadRequest, "InvalidArgument")
			return
		}
		from = n
	}
	keys := slices.DeleteFunc(slices.Sorted(maps.Keys(s.objects)), func(k string) bool { return !strings.HasPrefix(k, q.Get("prefix")) })
	to := min(from+s.page, len(keys))
	for _, k := range keys[from:to] {
		o := s.objects[k]
		out.Contents = append(out.Contents, content{k, o.at.Format("2006-01-02T15:04:05.000Z"), len(o.body)})
	}
	if out.IsTruncated = to < len(keys); out.IsTruncated {
		out.NextContinuationToken = "page/+=" + strconv.Itoa(to)
	}
	w.Header().Set("Content-Type", "application/xml")
	_ = xml.NewEncoder(w).Encode(out)
}

// denied answers the code of what is wrong with a request's signature. It is
// computed from what arrived, as the service does.
func (s *s3) denied(r *http.Request, body []byte) string {
	fields := map[string]string{}
	algorithm, rest, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	for part := range strings.SplitSeq(rest, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		fields[name] = value
	}
	stamp := r.Header.Get("X-Amz-Date")
	at, err := time.Parse("20060102T150405Z", stamp)
	scope := strings.SplitN(fields["Credential"], "/", 2)
	switch {
	case algorithm != "AWS4-HMAC-SHA256" || err != nil || len(scope) != 2:
		return "AccessDenied"
	case scope[0] != accessKey:
		return "InvalidAccessKeyId"
	case scope[1] != stamp[:8]+"/"+region+"/s3/aws4_request":
		return "AuthorizationHeaderMalformed"
	case s.now.Sub(at).Abs() > 15*time.Minute:
		return "RequestTimeTooSkewed"
	}
	digest := sha256.Sum256(body)
	if hex.EncodeToString(digest[:]) != r.Header.Get("X-Amz-Content-Sha256") {
		return "XAmzContentSHA256Mismatch"
	}
	var heads strings.Builder
	names := strings.Split(fields["SignedHeaders"], ";")
	for name := range r.Header {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-amz-") && !slices.Contains(names, lower) {
			return "AccessDenied"
		}
	}
	for _, name := range names {
		value := r.Header.Get(name)
		if name == "host" {
			value = r.Host
		}
		heads.WriteString(name + ":" + value + "\n")
	}
	query := strings.Split(r.URL.RawQuery, "&")
	slices.Sort(query)
	canonical := strings.Join([]string{r.Method, r.URL.EscapedPath(), strings.Join(query, "&"), heads.String(), fields["SignedHeaders"], r.Header.Get("X-Amz-Content-Sha256")}, "\n")
	sum := sha256.Sum256([]byte(canonical))
	key := []byte("AWS4" + secretKey)
	for part := range strings.SplitSeq(scope[1], "/") {
		m := hmac.New(sha256.New, key)
		m.Write([]byte(part))
		key = m.Sum(nil)
	}
	m := hmac.New(sha256.New, key)
	m.Write([]byte(strings.Join([]string{algorithm, stamp, scope[1], hex.EncodeToString(sum[:])}, "\n")))
	if !hmac.Equal([]byte(hex.EncodeToString(m.Sum(nil))), []byte(fields["Signature"])) {
		return "SignatureDoesNotMatch"
	}
	return ""
}
