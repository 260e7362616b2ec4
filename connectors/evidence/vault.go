// Package evidence keeps what was downloaded for an incident: files and mails,
// by the SHA-256 of their content, encrypted, for a bounded time, and with a
// record of everybody who put something in or took it out.
//
// What is kept is opaque to the place that keeps it, a folder or a bucket that
// speaks the S3 protocol: content and description are encrypted here and never
// lie anywhere in clear. Sealing and opening are streams: memory does not grow
// with what is kept.
//
// The package knows nothing of playbooks, actions or runs.
package evidence

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"regexp"
	"slices"
	"time"

	"stanch/connectors"
)

// Options are what the operator's file says.
type Options struct {
	Place   Place
	Keys    map[string]connectors.Secret // by id: 32 bytes each, in base64
	Key     string                       // id of the one that seals; the others only open
	MaxSize int64                        // of one item, in bytes of its content
	Keep    time.Duration                // how long an item is kept since it was last put in
	Now     func() time.Time             // default time.Now
}

// Vault keeps evidence. It is safe for concurrent use once Record is set.
type Vault struct {
	o    Options
	keys map[string][]byte
	// Record is told of every access. What it does not take does not happen,
	// except that what was put in stays in.
	Record func(context.Context, Access) error
}

// Access is that somebody put evidence in, or read, listed, checked or swept it.
type Access struct {
	Kind   string    // evidence.keep, evidence.get, evidence.list, evidence.verify, evidence.sweep
	By     string    // who; empty: the run's step
	SHA256 string    // of the content; empty of a list
	Size   int64     // of the content, in bytes; of a list the number of items
	About  About     // what it was kept as
	At     time.Time // when
}

// About says what an item is and where it comes from. Its texts may be an
// attacker's; it is encrypted like the content.
type About struct {
	Name   string `json:"name"`             // of the file, or subject of the mail
	Type   string `json:"type"`             // media type
	Source string `json:"source"`           // such as graph:/users/ID/messages/ID
	Run    string `json:"run,omitempty"`    // the run that downloaded it
	Step   string `json:"step,omitempty"`   // and its step
	Effect string `json:"effect,omitempty"` // and the effect
}

// Item is a piece of evidence.
type Item struct {
	SHA256 string    `json:"sha256"`
	Size   int64     `json:"size"` // of the content, in bytes
	About  About     `json:"about"`
	Key    string    `json:"key"` // id of the key that it is sealed with
	KeptAt time.Time `json:"kept_at"`
	Until  time.Time `json:"until"`            // when it may be swept
	Unread string    `json:"unread,omitempty"` // why its description cannot be read
}

// Place is where sealed items lie, by name. What it gives back is checked.
type Place interface {
	// Folder is where items are sealed before they are put.
	Folder() string
	// Put keeps the file's bytes under the name, at once or not at all, in
	// place of what had it. The file is gone or of no use afterwards.
	Put(ctx context.Context, name string, sealed *os.File) error
	// Get writes an item, at most so many bytes of it; 0 is all.
	Get(ctx context.Context, name string, most int64, into io.Writer) error
	// List names all items in order of their names.
	List(ctx context.Context) ([]Entry, error)
	Delete(ctx context.Context, name string) error
}

// Entry is a sealed item as its place has it.
type Entry struct {
	Name string
	Size int64 // sealed
	At   time.Time
}

var (
	sum   = regexp.MustCompile(`^[0-9a-f]{64}$`)
	keyID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

// New answers a vault. What of the options cannot be is an error that names it
// by its key in the operator's file; it never shows a key.
func New(o Options) (*Vault, error) {
	v := &Vault{o: o, keys: map[string][]byte{}}
	if v.o.Now == nil {
		v.o.Now = time.Now
	}
	for id, secret := range o.Keys {
		if !keyID.MatchString(id) {
			return nil, fmt.Errorf("keys: %q is no id of a key; expected letters, digits, dots and hyphens", id)
		}
		key, err := readKey(secret)
		if err != nil {
			return nil, fmt.Errorf("keys.%s: %w", id, err)
		}
		v.keys[id] = key
	}
	switch {
	case o.Place == nil:
		return nil, errors.New("no place; expected a dir or a bucket")
	case v.keys[o.Key] == nil:
		return nil, fmt.Errorf("key: there is no key %q among keys", o.Key)
	case o.MaxSize <= 0 || o.MaxSize > maxItem:
		return nil, fmt.Errorf("max_mb: expected 1 to %d", maxItem>>20)
	case o.Keep <= 0:
		return nil, errors.New("keep: expected a time such as 365d")
	}
	return v, nil
}

// MaxSize is the most bytes that one item may have.
func (v *Vault) MaxSize() int64 { return v.o.MaxSize }

// problem is an error of the vault: nothing reached the tenant by it.
func problem(code connectors.Code, hint, format string, args ...any) error {
	return &connectors.Error{Op: "evidence", Code: code, Message: fmt.Sprintf(format, args...), Hint: hint}
}

// broken is an error of the machine: disk or memory.
func broken(what string, err error) error {
	return &connectors.Error{
		Op: "evidence", Code: connectors.Unavailable, Message: connectors.Plain(what + ": " + err.Error()), Cause: err,
		Hint: "see the folder of the evidence store: its disk, and who may write there",
	}
}

// Draft is an item that is being put in. Nothing is kept before Keep.
type Draft struct {
	v      *Vault
	about  About
	file   *os.File
	seal   *sealer
	hash   hash.Hash
	size   int64
	keptAt time.Time
}

// Create begins an item. Keep or Discard ends it.
func (v *Vault) Create(about About) (*Draft, error) {
	f, err := os.CreateTemp(v.o.Place.Folder(), draftPrefix+"*") // 0600
	if err != nil {
		return nil, broken("an item cannot be begun", err)
	}
	d := &Draft{v: v, about: about.bounded(), file: f, hash: sha256.New(), keptAt: v.o.Now().UTC().Truncate(time.Second)}
	head, err := json.Marshal(described{About: d.about, KeptAt: d.keptAt})
	if err == nil {
		d.seal, err = newSealer(f, v.keys[v.o.Key], v.o.Key, head)
	}
	if err != nil {
		d.Discard()
		return nil, broken("an item cannot be begun", err)
	}
	return d, nil
}

// described is the description of an item as it is sealed.
type described struct {
	About
	KeptAt time.Time `json:"kept_at"`
}

// bounded cuts texts that others wrote.
func (a About) bounded() About {
	a.Name, a.Type, a.Source = clip(a.Name, 300), clip(a.Type, 120), clip(a.Source, 1000)
	return a
}

func clip(s string, most int) string {
	for at := range s {
		if at > most {
			return s[:at]
		}
	}
	return s
}

// Write adds content. Beyond the vault's bound it is an error of code limit.
func (d *Draft) Write(b []byte) (int, error) {
	if d.size+int64(len(b)) > d.v.o.MaxSize {
		return 0, problem(connectors.Limit, "raise evidence.max_mb in the operator's file, if it is to be kept",
			"it is larger than %d MB, the most that one item of evidence may have", d.v.o.MaxSize>>20)
	}
	n, err := d.seal.Write(b)
	if err != nil {
		return n, broken("an item cannot be written", err)
	}
	d.hash.Write(b)
	d.size += int64(len(b))
	return n, nil
}

// Keep puts the item in and records it. The same content that was there is
// there once, with the new description and time.
func (d *Draft) Keep(ctx context.Context) (Item, error) {
	defer d.Discard()
	if err := d.seal.Close(); err != nil {
		return Item{}, broken("an item cannot be written", err)
	}
	item := Item{
		SHA256: hex.EncodeToString(d.hash.Sum(nil)), Size: d.size, About: d.about, Key: d.v.o.Key,
		KeptAt: d.keptAt, Until: d.keptAt.Add(d.v.o.Keep),
	}
	if err := d.v.o.Place.Put(ctx, item.SHA256, d.file); err != nil {
		return Item{}, err
	}
	return item, d.v.record(ctx, Access{Kind: "evidence.keep", SHA256: item.SHA256, Size: item.Size, About: item.About})
}

// Discard drops what was written. After Keep it does nothing.
func (d *Draft) Discard() {
	_ = d.file.Close()
	_ = os.Remove(d.file.Name())
}

// Fetch puts in what fetch writes, whole or not at all. A vault that the operator
// has not configured is nil and says so.
func (v *Vault) Fetch(ctx context.Context, about About, fetch func(io.Writer) error) (Item, error) {
	if err := v.Ready(); err != nil {
		return Item{}, err
	}
	d, err := v.Create(about)
	if err != nil {
		return Item{}, err
	}
	defer d.Discard()
	if err := fetch(d); err != nil {
		return Item{}, err
	}
	return d.Keep(ctx)
}

// Ready reports why nothing can be kept.
func (v *Vault) Ready() error {
	if v == nil {
		return problem(connectors.Invalid, "give `evidence` with a dir or a bucket and a key in the operator's file", "there is no evidence store in which downloads could be kept")
	}
	return nil
}

func (v *Vault) record(ctx context.Context, a Access) error {
	if v.Record == nil {
		return problem(connectors.Refused, "this is a mistake of the program", "nobody records who reads and writes evidence")
	}
	a.At = v.o.Now().UTC()
	if err := v.Record(ctx, a); err != nil {
		return broken("the access cannot be recorded", err)
	}
	return nil
}

// Get writes the content of an item for somebody, after it was recorded. What
// does not open, or has another hash, is an error of code failed: then a part
// of it may have been written.
func (v *Vault) Get(ctx context.Context, sha256, by string, into io.Writer) (Item, error) {
	return v.read(ctx, "evidence.get", sha256, by, into)
}

// Verify reads an item and says whether it is whole.
func (v *Vault) Verify(ctx context.Context, sha256, by string) (Item, error) {
	return v.read(ctx, "evidence.verify", sha256, by, io.Discard)
}

func (v *Vault) read(ctx context.Context, kind, name, by string, into io.Writer) (Item, error) {
	item, err := v.describe(ctx, Entry{Name: name})
	if err != nil {
		return item, err
	}
	if err := v.record(ctx, Access{Kind: kind, By: by, SHA256: name, About: item.About}); err != nil {
		return item, err
	}
	whole := sha256.New()
	count := &counter{}
	open := &opener{keys: v.keys, into: io.MultiWriter(into, whole, count)}
	if err := v.o.Place.Get(ctx, name, 0, open); err != nil {
		return item, err
	}
	if err := open.Close(); err != nil {
		return item, spoiled(name, err)
	}
	if got := hex.EncodeToString(whole.Sum(nil)); got != name {
		return item, spoiled(name, fmt.Errorf("its content has the hash %s", got))
	}
	item.Size = count.n
	return item, nil
}

type counter struct{ n int64 }

func (c *counter) Write(b []byte) (int, error) {
	c.n += int64(len(b))
	return len(b), nil
}

func spoiled(name string, err error) error {
	if out, is := errors.AsType[*outError](err); is {
		return fmt.Errorf("%s cannot be written: %w", name, out.error)
	}
	return problem(connectors.Failed, "restore it from a backup of the place, if there is one", "%s is not what was kept: %v", name, err)
}

// describe reads the description of an item.
func (v *Vault) describe(ctx context.Context, e Entry) (Item, error) {
	item := Item{SHA256: e.Name}
	if !sum.MatchString(e.Name) {
		return item, problem(connectors.Invalid, "`stanch evidence list` names them", "%q is no name of evidence; expected 64 hex digits, the SHA-256 of the content", connectors.Plain(e.Name))
	}
	head := &opener{keys: v.keys, headOnly: true}
	if err := v.o.Place.Get(ctx, e.Name, maxHead, head); err != nil {
		return item, err
	}
	item.Key = head.key
	var d described
	if err := head.described(&d); err != nil {
		return item, spoiled(e.Name, err)
	}
	item.About, item.KeptAt, item.Until = d.About, d.KeptAt, d.KeptAt.Add(v.o.Keep)
	if e.Size > 0 {
		item.Size = head.content(e.Size)
	}
	return item, nil
}

// List answers all items, the newest first, and records that somebody looked.
// One whose description cannot be read says why.
func (v *Vault) List(ctx context.Context, by string) ([]Item, error) {
	entries, err := v.entries(ctx)
	if err != nil {
		return nil, err
	}
	if err := v.record(ctx, Access{Kind: "evidence.list", By: by, Size: int64(len(entries))}); err != nil {
		return nil, err
	}
	items := make([]Item, 0, len(entries))
	for _, e := range entries {
		item, err := v.describe(ctx, e)
		if failed, is := errors.AsType[*connectors.Error](err); is && failed.Code == connectors.NotFound {
			continue // swept meanwhile
		} else if is && failed.Code == connectors.Failed {
			item.Unread, item.KeptAt, item.Until = failed.Message, e.At, e.At.Add(v.o.Keep)
		} else if err != nil {
			return nil, err
		}
		items = append(items, item)
	}
	slices.SortStableFunc(items, func(a, b Item) int { return b.KeptAt.Compare(a.KeptAt) })
	return items, nil
}

func (v *Vault) entries(ctx context.Context) ([]Entry, error) {
	all, err := v.o.Place.List(ctx)
	return slices.DeleteFunc(all, func(e Entry) bool { return !sum.MatchString(e.Name) }), err
}

// Sweep deletes what was put in longer ago than it is kept, each after it was
// recorded, and answers how many items went.
func (v *Vault) Sweep(ctx context.Context, by string) (int, error) {
	entries, err := v.entries(ctx)
	if err != nil {
		return 0, err
	}
	gone := 0
	for _, e := range entries {
		if v.o.Now().Before(e.At.Add(v.o.Keep)) {
			continue
		}
		if err := v.record(ctx, Access{Kind: "evidence.sweep", By: by, SHA256: e.Name, Size: e.Size}); err != nil {
			return gone, err
		}
		if err := v.o.Place.Delete(ctx, e.Name); err != nil {
			return gone, err
		}
		gone++
	}
	return gone, nil
}
