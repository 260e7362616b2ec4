package connectors

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// Reads lets the steps of a run share what they read, for a moment: the same GET
// is sent once, also where several ask at the same time. What a run's strand
// reads is never older than the last change that it knows of: one of its own, of
// the strands that it came from or waited for, or of a strand beside it on the
// same thing. It is safe for concurrent use.
//
// Nothing is asked again with If-None-Match. A 304 costs what an answer does, and
// that to a list of permissions is about the item's etag, which sharing, of a
// folder above not least, leaves as it is
// (learn.microsoft.com/graph/api/driveitem-list-permissions).
type Reads struct {
	lasting time.Duration

	mu    sync.Mutex
	runs  map[string]*runReads
	count int64     // changes so far
	size  int       // bytes kept
	swept time.Time // when what is over was last thrown away
}

// Bounds of what is kept for all runs together, and of the marks for one.
const (
	keptBytes = 32 << 20
	keptMarks = 4096
)

// NewReads answers a Reads that shares for so long.
func NewReads(lasting time.Duration) *Reads {
	return &Reads{lasting: lasting, runs: map[string]*runReads{}}
}

// Reader says who reads or changes.
type Reader struct {
	Run  string
	Step string    // its path: looked[3]/access; [i] begins the path of a strand
	Now  time.Time // the run's time
	// Fresh: what is read is not shared, for something is judged by it.
	Fresh bool
	// Spends is told what each request costs that is about to be sent; see
	// Options.Cost. Nil: nobody wants to know.
	Spends func(class string, units int64)
}

// By marks what is asked within ctx as the reader's.
func (s *Reads) By(ctx context.Context, r Reader) context.Context {
	at := &reading{s: s, Reader: r, strand: strandOf(r.Step)}
	if strings.Contains(r.Step, "#") { // a turn of a repeat looks what is new
		at.Fresh = true
	}
	if at.Fresh { // a check may have waited for work that went on there
		s.changed(at, nil)
	}
	return context.WithValue(ctx, readingKey{}, at)
}

type readingKey struct{}

// reading is who asks, and what is shared with whom.
type reading struct {
	s *Reads
	Reader
	strand string
}

func readingOf(ctx context.Context) *reading {
	at, _ := ctx.Value(readingKey{}).(*reading)
	return at
}

// strandOf cuts a step's path after its last index.
func strandOf(step string) string { return step[:strings.LastIndexByte(step, ']')+1] }

// thing is what a request is about; without a kind nobody knows.
type thing struct{ kind, id string }

func (c *Client) thing(r Request) *thing {
	plain, err := c.below(r)
	if c.options.Thing == nil || err != nil {
		return &thing{}
	}
	kind, id := c.options.Thing(plain)
	return &thing{kind, strings.ToLower(id)}
}

// spends tells who asks what a request costs.
func (c *Client) spends(ctx context.Context, r Request) {
	at := readingOf(ctx)
	if at == nil || at.Spends == nil || c.options.Cost == nil {
		return
	}
	plain, err := c.below(r)
	if err != nil {
		return
	}
	if class, units := c.options.Cost(r.method(), plain); class != "" {
		at.Spends(class, units)
	}
}

// found is what the answer to a request about a thing turned out to be about.
func (c *Client) found(r Request, about thing, answer []byte) thing {
	if about.id != "" || answer == nil || c.options.Found == nil {
		return about
	}
	if plain, err := c.below(r); err == nil {
		about.id = strings.ToLower(c.options.Found(plain, answer))
	}
	return about
}

// below is the path of a request below the API's base, unescaped.
func (c *Client) below(r Request) (string, error) {
	path := r.Path.text
	if r.Path.link != "" {
		if u, err := url.Parse(r.Path.link); err == nil {
			path = strings.TrimPrefix(u.EscapedPath(), c.base.EscapedPath())
		}
	}
	return url.PathUnescape(path)
}

// runReads is what one run has read, and when it changed what.
type runReads struct {
	kept  map[string]*kept
	used  time.Time
	nodes map[string]*node // by strand
	// The last change of anything, of what nobody knows, of each kind, of a kind's
	// unknown things, and of each thing.
	any, unknown int64
	kinds, wide  map[string]int64
	things       map[thing]int64
}

// node tells when a strand itself changed something, and when those that each of
// its steps opened did.
type node struct {
	own  int64
	fans map[string]int64
}

// kept is one answer, or one that is under way.
type kept struct {
	what  thing     // what the path is about, or the answer when it is there
	begun int64     // changes that had ended when it was asked for
	now   time.Time // the run's time then
	at    time.Time
	done  chan struct{}
	reply Reply
	body  json.RawMessage // nil: it failed
}

func newRunReads() *runReads {
	return &runReads{
		kept: map[string]*kept{}, nodes: map[string]*node{}, kinds: map[string]int64{}, wide: map[string]int64{}, things: map[thing]int64{},
	}
}

// run answers what is kept of a run.
func (s *Reads) run(name string) *runReads {
	now := time.Now()
	if now.Sub(s.swept) > s.lasting || s.size > keptBytes {
		s.sweep(now)
	}
	r := s.runs[name]
	if r == nil {
		r = newRunReads()
		s.runs[name] = r
	}
	r.used = now
	return r
}

// sweep throws away what is over, and everything when it is too much.
func (s *Reads) sweep(now time.Time) {
	s.swept = now
	full := s.size > keptBytes
	for name, r := range s.runs {
		for key, k := range r.kept {
			if full || now.Sub(k.at) > s.lasting {
				s.size -= len(k.body)
				delete(r.kept, key)
			}
		}
		if now.Sub(r.used) > s.lasting && len(r.kept) == 0 {
			delete(s.runs, name)
		}
	}
}

// changed marks that a reader has changed something, or for nil that what its
// strand reads from here on must be new.
func (s *Reads) changed(at *reading, what *thing) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.count++
	r := s.run(at.Run)
	if len(r.nodes)+len(r.things) > keptMarks { // what is kept is older than a change: forget both
		for _, k := range r.kept {
			s.size -= len(k.body)
		}
		s.runs[at.Run] = newRunReads()
		r = s.runs[at.Run]
		r.used = time.Now()
	}
	if what != nil {
		r.mark(*what, s.count)
	}
	for strand, fan := range upwards(at.strand) {
		n := r.nodes[strand]
		if n == nil {
			n = &node{fans: map[string]int64{}}
			r.nodes[strand] = n
		}
		if fan == "" {
			n.own = s.count
		} else {
			n.fans[fan] = s.count
		}
	}
}

// mark keeps when a thing was changed.
func (r *runReads) mark(what thing, seq int64) {
	r.any = seq
	switch {
	case what.kind == "":
		r.unknown = seq
	case what.id == "":
		r.kinds[what.kind], r.wide[what.kind] = seq, seq
	default:
		r.kinds[what.kind], r.things[what] = seq, seq
	}
}

// upwards yields a strand and those that it came from, each with the step that
// opened the one before.
func upwards(strand string) func(yield func(strand, fan string) bool) {
	return func(yield func(strand, fan string) bool) {
		fan := ""
		for {
			if !yield(strand, fan) || strand == "" {
				return
			}
			fan = strand[:strings.LastIndexByte(strand, '[')]
			strand = strandOf(fan)
		}
	}
}

// floor is the last change that a read of a thing in a strand must have seen.
func (r *runReads) floor(strand string, what thing) int64 {
	floor := r.unknown
	for at, below := range upwards(strand) {
		n := r.nodes[at]
		if n == nil {
			continue
		}
		floor = max(floor, n.own)
		for fan, seq := range n.fans {
			if fan != below { // those of the same step go on beside this one
				floor = max(floor, seq)
			}
		}
	}
	switch {
	case what.kind == "":
		return max(floor, r.any)
	case what.id == "":
		return max(floor, r.kinds[what.kind])
	}
	return max(floor, r.wide[what.kind], r.things[what])
}

// shares reports whether a request's answer may be shared with others of its run.
func (at *reading) shares(r Request, out any) bool {
	return at != nil && !at.Fresh && out != nil && r.method() == http.MethodGet && !r.bare
}

// read answers a GET from what the run has read a moment ago, else by ask.
func (at *reading) read(ctx context.Context, c *Client, r Request, ask func(out any) (Reply, error)) (Reply, json.RawMessage, error) {
	key := at.key(c, r)
	about := *c.thing(r)
	k, mine := at.s.join(at, key, about)
	if !mine {
		select {
		case <-k.done:
		case <-ctx.Done(): // asked all the same, for the error that this makes
		}
		if body, reply := at.s.got(k); body != nil {
			return reply, body, nil
		}
		var body json.RawMessage // the failure of another is not ours
		reply, err := ask(&body)
		return reply, body, err
	}
	var body json.RawMessage
	reply, err := ask(&body)
	if err != nil {
		body = nil
	}
	at.s.keep(at.Run, key, k, kept{what: c.found(r, about, body), reply: reply, body: body})
	return reply, body, err
}

func (at *reading) key(c *Client, r Request) string {
	target := r.Path.link
	if target == "" {
		target = r.Path.text + query(r.Query)
	}
	var head []string
	for name, values := range r.Header {
		head = append(head, "\n"+http.CanonicalHeaderKey(name)+"="+strings.Join(values, ","))
	}
	slices.Sort(head)
	return c.base.String() + " " + target + strings.Join(head, "")
}

// join answers what is kept, or a new one that is the reader's to ask for.
func (s *Reads) join(at *reading, key string, what thing) (k *kept, mine bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := s.run(at.Run)
	if k := r.kept[key]; k != nil && k.begun >= r.floor(at.strand, k.what) && time.Since(k.at) <= s.lasting && at.Now.Sub(k.now).Abs() <= s.lasting {
		return k, false
	}
	if old := r.kept[key]; old != nil {
		s.size -= len(old.body)
	}
	k = &kept{what: what, begun: s.count, now: at.Now, at: time.Now(), done: make(chan struct{})}
	r.kept[key] = k
	return k, true
}

// got answers what came, nil where nothing did.
func (s *Reads) got(k *kept) (json.RawMessage, Reply) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return k.body, k.reply
}

// shaped decodes what was read as the answer to a request.
func (c *Client) shaped(r Request, reply Reply, body json.RawMessage, out any) error {
	err := shape(body, out)
	if err == nil {
		return nil
	}
	return &Error{
		Op: c.op(r), Code: Failed, Status: reply.Status, RequestID: reply.RequestID, Message: err.Error(),
		Hint: "see that " + c.base.Host + " is the API and no proxy answers in its place",
	}
}

// keep tells those who wait for an answer; a failure is not kept.
func (s *Reads) keep(run, key string, k *kept, came kept) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k.what, k.reply, k.body = came.what, came.reply, came.body
	close(k.done)
	r := s.runs[run]
	if r == nil || r.kept[key] != k {
		return // a newer one has taken its place
	}
	if k.body == nil {
		delete(r.kept, key)
		return
	}
	s.size += len(k.body)
}
