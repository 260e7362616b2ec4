package evidence_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"stanch/connectors"
	"stanch/connectors/evidence"
)

func key(seed byte) connectors.Secret {
	return connectors.Secret(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{seed}, 32)))
}

type record struct {
	mu  sync.Mutex
	all []evidence.Access
	no  error
}

func (r *record) take(_ context.Context, a evidence.Access) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.no != nil {
		return r.no
	}
	r.all = append(r.all, a)
	return nil
}

func (r *record) kinds() string {
	var out []string
	for _, a := range r.all {
		out = append(out, strings.TrimPrefix(a.Kind, "evidence.")+":"+a.By)
	}
	return strings.Join(out, " ")
}

func vault(t *testing.T, place evidence.Place, change func(*evidence.Options)) (*evidence.Vault, *record) {
	t.Helper()
	o := evidence.Options{Place: place, Keys: map[string]connectors.Secret{"k1": key(1)}, Key: "k1", MaxSize: 64 << 20, Keep: 30 * 24 * time.Hour}
	if change != nil {
		change(&o)
	}
	v, err := evidence.New(o)
	if err != nil {
		t.Fatal(err)
	}
	r := &record{}
	v.Record = r.take
	return v, r
}

func folder(t *testing.T) (*evidence.Folder, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "evidence")
	f, err := evidence.NewFolder(dir)
	if err != nil {
		t.Fatal(err)
	}
	return f, dir
}

func keep(t *testing.T, v *evidence.Vault, name string, content []byte) evidence.Item {
	t.Helper()
	d, err := v.Create(evidence.About{Name: name, Type: "text/plain", Source: "graph:/x", Run: "r1", Step: "s", Effect: "e1"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(d, bytes.NewReader(content)); err != nil {
		t.Fatal(err)
	}
	item, err := d.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return item
}

func noise(n int) []byte {
	b := make([]byte, n)
	r := rand.NewChaCha8([32]byte{byte(n)})
	_, _ = r.Read(b)
	return b
}

func code(err error) connectors.Code {
	e, is := errors.AsType[*connectors.Error](err)
	if !is {
		return ""
	}
	return e.Code
}

func TestWhatIsPutInComesOut(t *testing.T) {
	for name, place := range map[string]func(*testing.T) evidence.Place{
		"folder": func(t *testing.T) evidence.Place { f, _ := folder(t); return f },
		"bucket": func(t *testing.T) evidence.Place { return startS3(t).bucket(t) },
	} {
		t.Run(name, func(t *testing.T) {
			v, r := vault(t, place(t), nil)
			sizes := []int{0, 1, 64<<10 - 1, 64 << 10, 64<<10 + 1, 128 << 10, 1<<20 + 7}
			contents := map[string][]byte{}
			for _, n := range sizes {
				content := noise(n)
				item := keep(t, v, "one of "+name, content)
				sum := sha256.Sum256(content)
				if item.SHA256 != hex.EncodeToString(sum[:]) || item.Size != int64(n) {
					t.Errorf("%d bytes are kept as %+v", n, item)
				}
				contents[item.SHA256] = content
			}
			items, err := v.List(t.Context(), "ann")
			if err != nil || len(items) != len(sizes) {
				t.Fatalf("%d items, %v; want %d", len(items), err, len(sizes))
			}
			for _, item := range items {
				var out bytes.Buffer
				got, err := v.Get(t.Context(), item.SHA256, "ann", &out)
				want := contents[item.SHA256]
				if err != nil || !bytes.Equal(out.Bytes(), want) || got.Size != item.Size || item.Size != int64(len(want)) {
					t.Errorf("%s: %d bytes, listed %d, kept %d, %v", item.SHA256, out.Len(), item.Size, len(want), err)
				}
				if item.About.Name != "one of "+name || item.About.Run != "r1" || item.Key != "k1" || item.Until.Sub(item.KeptAt) != 30*24*time.Hour {
					t.Errorf("item: %+v", item)
				}
			}
			if _, err := v.Verify(t.Context(), items[0].SHA256, "bob"); err != nil {
				t.Error(err)
			}
			want := strings.Repeat("keep: ", len(sizes)) + "list:ann " + strings.Repeat("get:ann ", len(sizes)) + "verify:bob"
			if got := r.kinds(); got != want {
				t.Errorf("recorded: %s\nwant %s", got, want)
			}
			absent := strings.Repeat("ab", 32)
			if _, err := v.Get(t.Context(), absent, "ann", io.Discard); code(err) != connectors.NotFound {
				t.Errorf("what is not there: %v", err)
			}
			for _, bad := range []string{"", "..", "../../etc/passwd", strings.Repeat("AB", 32), absent + "0"} {
				if _, err := v.Get(t.Context(), bad, "ann", io.Discard); code(err) != connectors.Invalid {
					t.Errorf("%q: %v; want invalid", bad, err)
				}
			}
		})
	}
}

func TestTheSameContentIsKeptOnceAndLonger(t *testing.T) {
	f, _ := folder(t)
	now := time.Now()
	v, _ := vault(t, f, func(o *evidence.Options) { o.Now = func() time.Time { return now } })
	first := keep(t, v, "first", []byte("x"))
	now = now.Add(time.Hour)
	second := keep(t, v, "second", []byte("x"))
	items, err := v.List(t.Context(), "ann")
	if err != nil || len(items) != 1 || items[0].About.Name != "second" || second.SHA256 != first.SHA256 || !second.Until.After(first.Until) {
		t.Errorf("%+v, %v", items, err)
	}
}

// files are those below a folder.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		if want := fs.FileMode(0o600); !d.IsDir() && info.Mode().Perm() != want || d.IsDir() && info.Mode().Perm() != 0o700 {
			t.Errorf("%s has mode %v", path, info.Mode())
		}
		if !d.IsDir() {
			all = append(all, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestNothingLiesInClear(t *testing.T) {
	f, dir := folder(t)
	s := startS3(t)
	for _, place := range []evidence.Place{f, s.bucket(t)} {
		v, _ := vault(t, place, nil)
		keep(t, v, "Payroll November", bytes.Repeat([]byte("IBAN DE89 3704 0044 "), 10_000))
	}
	var lying [][]byte
	for _, file := range files(t, dir) {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lying = append(lying, b)
	}
	for _, o := range s.objects {
		lying = append(lying, o.body)
	}
	if len(lying) != 2 {
		t.Fatalf("%d sealed items, want 2", len(lying))
	}
	for _, b := range lying {
		// Long enough that no chance in random bytes spells one.
		for _, secret := range []string{"IBAN DE89", "Payroll", "graph:/x", `"run":"r1"`} {
			if bytes.Contains(b, []byte(secret)) {
				t.Errorf("%q lies in clear", secret)
			}
		}
	}
	if bytes.Equal(lying[0][:200], lying[1][:200]) {
		t.Error("two items have the same salt")
	}
}

func TestWhatWasChangedIsFound(t *testing.T) {
	f, dir := folder(t)
	v, _ := vault(t, f, nil)
	item := keep(t, v, "a", noise(200<<10))
	other := keep(t, v, "b", noise(201<<10))
	file := filepath.Join(dir, item.SHA256[:2], item.SHA256+".sealed")
	whole, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	foreign, err := os.ReadFile(filepath.Join(dir, other.SHA256[:2], other.SHA256+".sealed"))
	if err != nil {
		t.Fatal(err)
	}
	part := 64<<10 + 16
	head := len(whole) - 3*part - (200<<10 - 3*64<<10 + 16)
	swapped := slices.Concat(whole[:head], whole[head+part:head+2*part], whole[head:head+part], whole[head+2*part:])
	broken := map[string][]byte{
		"empty": {}, "cut in the head": whole[:40], "cut in the description": whole[:100], "without its last part": whole[:head+3*part], "cut in a part": whole[:head+part+100],
		"more behind it": append(slices.Clone(whole), 1), "two parts swapped": swapped, "another item": foreign, "no evidence": []byte(strings.Repeat("hello ", 100)),
	}
	for _, at := range []int{0, 5, 6, 7, 8, 20, 41, 60, 120, head, head + part - 1, len(whole) - 1} {
		flipped := slices.Clone(whole)
		flipped[at] ^= 0x40
		broken["bit at "+string(rune('A'+at%26))+hex.EncodeToString([]byte{byte(at >> 8), byte(at)})] = flipped
	}
	for name, b := range broken {
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := v.Verify(t.Context(), item.SHA256, "ann"); code(err) != connectors.Failed || !strings.Contains(err.Error(), item.SHA256) {
			t.Errorf("%s: %v; want failed", name, err)
		}
		if items, err := v.List(t.Context(), "ann"); err != nil || len(items) != 2 {
			t.Errorf("%s: list: %d items, %v; want both", name, len(items), err)
		}
	}
	if err := os.WriteFile(file, whole, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), item.SHA256, "ann"); err != nil {
		t.Errorf("restored: %v", err)
	}
}

func TestKeysAreRotated(t *testing.T) {
	f, _ := folder(t)
	old, _ := vault(t, f, nil)
	item := keep(t, old, "old", []byte("old content"))
	both, _ := vault(t, f, func(o *evidence.Options) {
		o.Keys, o.Key = map[string]connectors.Secret{"k1": key(1), "k2": key(2)}, "k2"
	})
	if got := keep(t, both, "new", []byte("new content")); got.Key != "k2" {
		t.Errorf("sealed with %s, want k2", got.Key)
	}
	var out bytes.Buffer
	if _, err := both.Get(t.Context(), item.SHA256, "ann", &out); err != nil || out.String() != "old content" {
		t.Errorf("%q, %v", out.String(), err)
	}
	without, _ := vault(t, f, func(o *evidence.Options) { o.Keys, o.Key = map[string]connectors.Secret{"k2": key(2)}, "k2" })
	if _, err := without.Get(t.Context(), item.SHA256, "ann", io.Discard); code(err) != connectors.Failed || !strings.Contains(err.Error(), `"k1"`) {
		t.Errorf("without its key: %v", err)
	}
	items, err := without.List(t.Context(), "ann")
	if err != nil || len(items) != 2 {
		t.Fatalf("%d items, %v", len(items), err)
	}
	for _, i := range items {
		if (i.Unread != "") != (i.SHA256 == item.SHA256) {
			t.Errorf("%+v", i)
		}
	}
	wrong, _ := vault(t, f, func(o *evidence.Options) { o.Keys = map[string]connectors.Secret{"k1": key(9)} })
	if _, err := wrong.Get(t.Context(), item.SHA256, "ann", io.Discard); code(err) != connectors.Failed {
		t.Errorf("with another key of that id: %v", err)
	}
}

func TestTooMuchIsRefusedAndNothingStays(t *testing.T) {
	f, dir := folder(t)
	v, r := vault(t, f, func(o *evidence.Options) { o.MaxSize = 1 << 20 })
	d, err := v.Create(evidence.About{Name: "big"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(d, bytes.NewReader(make([]byte, 1<<20+1)))
	if code(err) != connectors.Limit || !strings.Contains(err.Error(), "larger than 1 MB") {
		t.Errorf("error: %v; want limit", err)
	}
	d.Discard()
	if left := files(t, dir); len(left) != 0 || len(r.all) != 0 {
		t.Errorf("left: %v; recorded: %v", left, r.all)
	}
}

func TestAnAccessThatCannotBeRecordedGivesNothing(t *testing.T) {
	f, _ := folder(t)
	v, r := vault(t, f, nil)
	item := keep(t, v, "a", []byte("content"))
	r.no = errors.New("the store is full")
	var out bytes.Buffer
	if _, err := v.Get(t.Context(), item.SHA256, "ann", &out); err == nil || out.Len() > 0 {
		t.Errorf("%d bytes came out, error %v", out.Len(), err)
	}
	if _, err := v.List(t.Context(), "ann"); err == nil {
		t.Error("a list came out")
	}
	if n, err := v.Sweep(t.Context(), "ann"); n != 0 || err != nil {
		t.Errorf("swept %d, %v; want none due", n, err)
	}
	v.Record = nil
	if _, err := v.Get(t.Context(), item.SHA256, "ann", &out); code(err) != connectors.Refused {
		t.Errorf("without anybody who records: %v", err)
	}
}

func TestWhatIsOldIsSwept(t *testing.T) {
	s := startS3(t)
	f, _ := folder(t)
	for name, place := range map[string]evidence.Place{"folder": f, "bucket": s.bucket(t)} {
		now := time.Now()
		v, r := vault(t, place, func(o *evidence.Options) { o.Now = func() time.Time { return now } })
		keep(t, v, "a", []byte("a"))
		keep(t, v, "b", []byte("b"))
		keep(t, v, "c", []byte("c"))
		now = now.Add(29 * 24 * time.Hour)
		if n, err := v.Sweep(t.Context(), "stanch"); n != 0 || err != nil {
			t.Errorf("%s: swept %d, %v after 29 days", name, n, err)
		}
		now = now.Add(2 * 24 * time.Hour)
		r.no = errors.New("full")
		if n, err := v.Sweep(t.Context(), "stanch"); n != 0 || err == nil {
			t.Errorf("%s: swept %d though it cannot be recorded", name, n)
		}
		r.no = nil
		if n, err := v.Sweep(t.Context(), "stanch"); n != 3 || err != nil {
			t.Errorf("%s: swept %d, %v after 31 days; want 3", name, n, err)
		}
		if items, err := v.List(t.Context(), "ann"); len(items) != 0 || err != nil {
			t.Errorf("%s: %d items left, %v", name, len(items), err)
		}
	}
}

func TestMemoryStaysFlat(t *testing.T) {
	f, _ := folder(t)
	v, _ := vault(t, f, nil)
	before, after := runtime.MemStats{}, runtime.MemStats{}
	runtime.ReadMemStats(&before)
	d, err := v.Create(evidence.About{Name: "big"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(d, rand.NewChaCha8([32]byte{}), 48<<20); err != nil {
		t.Fatal(err)
	}
	item, err := d.Keep(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(t.Context(), item.SHA256, "ann"); err != nil {
		t.Fatal(err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 4<<20 {
		t.Errorf("%d KiB were allocated for 48 MiB in and out", used>>10)
	}
}

func TestABucketsErrorsSayWhatToDo(t *testing.T) {
	s := startS3(t)
	v, _ := vault(t, s.bucket(t), nil)
	item := keep(t, v, "a", noise(100<<10))
	answer := func(status int, kind, body string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Content-Type", kind)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
			return true
		}
	}
	cut := func(w http.ResponseWriter, _ *http.Request) bool {
		w.Header().Set("Content-Length", "100000")
		_, _ = w.Write([]byte("STEV1\n"))
		panic(http.ErrAbortHandler)
	}
	for name, c := range map[string]struct {
		wrong func(http.ResponseWriter, *http.Request) bool
		want  connectors.Code
		text  string
	}{
		"slow down":     {answer(503, "application/xml", "<Error><Code>SlowDown</Code><Message>Reduce your rate.</Message></Error>"), connectors.Unavailable, "SlowDown"},
		"denied":        {answer(403, "application/xml", "<Error><Code>AccessDenied</Code><Message>no</Message></Error>"), connectors.Forbidden, "access_key"},
		"page of proxy": {answer(200, "text/html", "<html>Sign in</html>"), connectors.Failed, ""},
		"redirect":      {answer(301, "application/xml", "<Error><Code>PermanentRedirect</Code><Message>elsewhere</Message></Error>"), connectors.Failed, "PermanentRedirect"},
		"cut":           {cut, connectors.Unavailable, "closed the connection"},
	} {
		s.wrong = c.wrong
		_, getErr := v.Verify(t.Context(), item.SHA256, "ann")
		_, listErr := v.List(t.Context(), "ann")
		for what, err := range map[string]error{"get": getErr, "list": listErr} {
			if code(err) != c.want || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), secretKey) {
				t.Errorf("%s of %s: %v; want %s: %s", what, name, err, c.want, c.text)
			}
		}
	}
	s.wrong = answer(200, "application/xml", "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>")
	if _, err := v.List(t.Context(), "ann"); code(err) != connectors.Failed {
		t.Errorf("a listing that does not go on: %v", err)
	}
}

func TestABucketThatDoesNotKnowUs(t *testing.T) {
	s := startS3(t)
	for name, c := range map[string]struct {
		change func(*evidence.BucketOptions)
		want   connectors.Code
		text   string
	}{
		"another secret": {func(o *evidence.BucketOptions) { o.Secret = "another-secret-key" }, connectors.Forbidden, "SignatureDoesNotMatch"},
		"another region": {func(o *evidence.BucketOptions) { o.Region = "us-east-1" }, connectors.Forbidden, "AuthorizationHeaderMalformed"},
		"another key":    {func(o *evidence.BucketOptions) { o.AccessKey = "AKIDOTHER" }, connectors.Forbidden, "InvalidAccessKeyId"},
		"another clock":  {func(o *evidence.BucketOptions) { o.Now = func() time.Time { return s.now.Add(time.Hour) } }, connectors.Forbidden, "RequestTimeTooSkewed"},
		"no such bucket": {func(o *evidence.BucketOptions) { o.Bucket = "other" }, connectors.NotFound, "NoSuchBucket"},
		"not trusted":    {func(o *evidence.BucketOptions) { o.CA = nil }, connectors.Unavailable, "certificate"},
	} {
		o := s.options(t)
		c.change(&o)
		b, err := evidence.NewBucket(o)
		if err != nil {
			t.Fatal(err)
		}
		v, _ := vault(t, b, nil)
		d, err := v.Create(evidence.About{Name: "a"})
		if err != nil {
			t.Fatal(err)
		}
		if _, err = d.Keep(t.Context()); code(err) != c.want || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v; want %s: %s", name, err, c.want, c.text)
		}
		if left := files(t, o.Drafts); len(left) > 0 {
			t.Errorf("%s: left %v", name, left)
		}
	}
}

func TestOptionsThatCannotBeAreNamed(t *testing.T) {
	f, _ := folder(t)
	for want, change := range map[string]func(*evidence.Options){
		"keys.k1":   func(o *evidence.Options) { o.Keys["k1"] = "c2hvcnQ=" },
		"keys: ":    func(o *evidence.Options) { o.Keys["../k"] = key(1) },
		"key: ":     func(o *evidence.Options) { o.Key = "k2" },
		"max_mb: ":  func(o *evidence.Options) { o.MaxSize = 0 },
		"keep: ":    func(o *evidence.Options) { o.Keep = 0 },
		"no place;": func(o *evidence.Options) { o.Place = nil },
	} {
		o := evidence.Options{Place: f, Keys: map[string]connectors.Secret{"k1": key(1)}, Key: "k1", MaxSize: 1, Keep: 1}
		change(&o)
		if _, err := evidence.New(o); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "c2hvcnQ") {
			t.Errorf("%v; want %s", err, want)
		}
	}
	s := startS3(t)
	for want, change := range map[string]func(*evidence.BucketOptions){
		"endpoint":   func(o *evidence.BucketOptions) { o.Endpoint = "http://s3.example" },
		"name":       func(o *evidence.BucketOptions) { o.Bucket = "A/b" },
		"region":     func(o *evidence.BucketOptions) { o.Region = "" },
		"access_key": func(o *evidence.BucketOptions) { o.AccessKey = "" },
		"secret_key": func(o *evidence.BucketOptions) { o.Secret = "" },
		"prefix":     func(o *evidence.BucketOptions) { o.Prefix = "../" },
	} {
		o := s.options(t)
		change(&o)
		if _, err := evidence.NewBucket(o); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%v; want %s", err, want)
		}
	}
}

func TestDraftsThatNobodyWillFinishAreRemoved(t *testing.T) {
	f, dir := folder(t)
	v, _ := vault(t, f, nil)
	for range 2 {
		if _, err := v.Create(evidence.About{Name: "left"}); err != nil {
			t.Fatal(err)
		}
	}
	left := files(t, dir)
	old := time.Now().Add(-25 * time.Hour)
	if err := os.Chtimes(left[0], old, old); err != nil {
		t.Fatal(err)
	}
	if items, err := v.List(t.Context(), "ann"); err != nil || len(items) != 0 {
		t.Errorf("%+v, %v", items, err)
	}
	if got := files(t, dir); len(got) != 1 || got[0] != left[1] {
		t.Errorf("%v; want %s alone", got, left[1])
	}
}
