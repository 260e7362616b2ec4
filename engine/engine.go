package engine

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"stanch/actions"
	"stanch/playbooks"
)

// The modes of a run.
const (
	ModePlan   = "plan"   // no effects, nothing kept
	ModeShadow = "shadow" // a live trigger, no effects
	ModeLive   = "live"
)

// Engine makes runs happen on a store with a catalog of actions.
type Engine struct {
	store   Store
	docs    Documents
	catalog *actions.Catalog
	o       Options
	log     *slog.Logger
	journal journal

	mu       sync.Mutex
	contexts map[string]*runContext // of runs lately worked on
	outlines map[string]*outline    // of editions, by digest
	held     map[string]*grip       // leases, by token
	slots    slots
	lanes    lanes
	damage   map[string]bool // what was said of damaged parts of the store; true: claims tell of it
	down     bool            // the store does not answer; it has been said
	partly   bool            // some of it does not; it has been said
	renewed  time.Time       // when they last were
	frozen   bool
	frozenAt time.Time // the store's, when it said so
}

// New makes an engine. It does nothing until Work is called.
func New(store Store, docs Documents, catalog *actions.Catalog, o Options) *Engine {
	if o.Workers == 0 {
		o.Workers = 64
	}
	if o.Lease == 0 {
		o.Lease = 15 * time.Second
	}
	if o.Grace == 0 {
		o.Grace = 20 * time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Engine{
		store: store, docs: docs, catalog: catalog, o: o, log: o.Log, journal: journal{path: o.Journal},
		contexts: map[string]*runContext{}, outlines: map[string]*outline{}, held: map[string]*grip{}, damage: map[string]bool{},
		slots: newSlots(o.Limits), lanes: lanes{most: o.Lanes},
	}
}

// Start asks for a run of a checked playbook.
type Start struct {
	Book   *playbooks.Playbook
	Event  playbooks.Event
	Params map[string]any // as BindParams gives them
	Mode   string
	By     string // who or what started it: a trigger, operator:alice
	Lane   int
	// Key names a person's wish, for 180 days: the same under the same key begins
	// no second run, and another is refused. Empty: every event is one of its own.
	Key string

	again *Head // of a resubmission: what its head says of the run before
}

// ErrRefused says that a run may not be started so.
var ErrRefused = errors.New("refused")

// Start begins a run unless its event, or its key, began one before. The edition is
// kept before the run exists.
func (e *Engine) Start(ctx context.Context, s Start) (Begun, error) {
	b, head, err := e.asked(ctx, s)
	if err == nil && s.Key != "" {
		err = e.wished(ctx, s, head.Params, &b)
	}
	if err != nil {
		return Begun{}, err
	}
	return e.begin(ctx, b, head)
}

// asked keeps the edition of a run that is asked for, and answers how it is
// begun.
func (e *Engine) asked(ctx context.Context, s Start) (Begin, Head, error) {
	if s.Mode == ModeLive && s.Book.Status == "draft" {
		return Begin{}, Head{}, fmt.Errorf("%w: playbook %s is a draft; a draft never runs live: set its status to test or stable", ErrRefused, s.Book.ID)
	}
	if s.Mode == ModeLive && e.Shadows(s.Book) != "" {
		s.Mode = ModeShadow
	}
	edition := edition{Language: 1, File: s.Book.File, Text: string(s.Book.Text)}
	edition.Lists = listsOf(s.Book)
	for _, called := range s.Book.Calls {
		if edition.Calls == nil {
			edition.Calls = map[string]playbooks.Source{}
		}
		edition.Calls[called.ID] = playbooks.Source{File: called.File, Text: called.Text}
	}
	digest, err := e.keep(ctx, edition)
	if err != nil {
		return Begin{}, Head{}, err
	}
	params, err := playbooks.Encode(s.Params)
	if err != nil {
		return Begin{}, Head{}, fmt.Errorf("params: %w", err)
	}
	head, dedupe := Head{Event: s.Event, Params: params, StartedBy: s.By}, s.Event.ID
	if s.again != nil {
		head.Resubmits, head.Behind, head.Reason = s.again.Resubmits, s.again.Behind, s.again.Reason
		dedupe = "resubmit/" + head.Resubmits + "/" + newID()
	}
	key, wide, err := e.mayStart(s, head)
	if err != nil {
		return Begin{}, Head{}, err
	}
	when := s.Book.Concurrency.WhenBusy
	if when == "" {
		when = "queue"
	}
	return Begin{
		Playbook: s.Book.ID, Subject: e.subject(s.Event, s.Book.On.Manual), Dedupe: dedupe, Edition: digest,
		Mode: s.Mode, Lane: s.Lane, Key: key, Wide: wide, WhenBusy: when,
	}, head, nil
}

// Shadows answers why what is begun of a playbook to run live has no effects;
// empty: it has.
func (e *Engine) Shadows(book *playbooks.Playbook) string {
	switch {
	case e.o.Shadow:
		return "this node begins everything so"
	case book.Status == "test":
		return "its status is test"
	}
	return ""
}

// begin begins a run. One in shadow is in nobody's way but of other shadows: its
// key is not that of live runs, which it would keep out, or replace.
func (e *Engine) begin(ctx context.Context, b Begin, head Head) (Begun, error) {
	if b.Mode == ModeShadow && b.Key != "" {
		b.Key = "shadow\x00" + b.Key
	}
	b, err := prepared(b, head)
	if err != nil {
		return Begun{}, err
	}
	begun, err := e.store.Begin(ctx, b)
	if err != nil {
		return Begun{}, fmt.Errorf("begin a run of %s: %w", b.Playbook, err)
	}
	return begun, nil
}

// subject is what a run is about: an incident, else the entity that a person
// named, else the event itself.
func (e *Engine) subject(ev playbooks.Event, manual *playbooks.ManualTrigger) string {
	id := idOf(ev.Incident)
	if entity := idOf(ev.Subject); id == "" && entity != "" && manual != nil {
		id = manual.Subject + "/" + entity
	}
	if id == "" {
		id = ev.Trigger + "/" + ev.ID
	}
	if e.o.Tenant != "" {
		return e.o.Tenant + "/" + id
	}
	return id
}

// idOf is the id of a thing of the incident model; "" of one that has none.
func idOf(thing json.RawMessage) string {
	var about struct {
		ID string `json:"id"`
	}
	if len(thing) > 0 {
		_ = json.Unmarshal(thing, &about)
	}
	return about.ID
}

// mayStart answers the run's concurrency key, or why the run cannot be.
func (e *Engine) mayStart(s Start, head Head) (key string, wide bool, err error) {
	book := s.Book
	if book.Concurrency.Key == nil && book.Timeout == nil {
		return book.ID, false, nil
	}
	run, err := e.newContext(RunHead{Playbook: book.ID, Mode: s.Mode, BegunAt: s.Event.At}, head, newOutline(book))
	if err != nil {
		return "", false, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return run.key()
}

// key is the concurrency key of a run: one of its subject, or, where the
// playbook says which, one for all.
func (r *runContext) key() (key string, wide bool, err error) {
	t := r.book.Concurrency.Key
	if t == nil {
		return r.book.ID, false, nil
	}
	v, err := t.Eval(playbooks.Env{Names: r.names, Now: r.start.Event.At, OwnDomains: r.own})
	if err != nil {
		return "", false, fmt.Errorf("concurrency key: %w", err)
	}
	return r.book.ID + "\x00" + fmt.Sprint(v), true, nil
}

// edition is what a run goes on with: the checked text with those of all that it
// may call, by id, or the effects that an undo takes back, or what rules do.
type edition struct {
	Language int                         `json:"language"`
	File     string                      `json:"file,omitempty"`
	Text     string                      `json:"text,omitempty"`
	Calls    map[string]playbooks.Source `json:"calls,omitempty"`
	Lists    []playbooks.Source          `json:"lists,omitempty"` // reference data that one of them names
	Undo     *undo                       `json:"undo,omitempty"`
	Rules    *rulesEdition               `json:"rules,omitempty"`
}

const docEdition = "edition"

// listsOf are the texts of the lists that a playbook, or one that it may call,
// names: each once, in the order of their names.
func listsOf(book *playbooks.Playbook) []playbooks.Source {
	texts := map[string]playbooks.Source{}
	for _, b := range append([]*playbooks.Playbook{book}, book.Calls...) {
		for _, l := range b.Lists {
			texts[l.Name] = l.Source
		}
	}
	var all []playbooks.Source
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		all = append(all, texts[name])
	}
	return all
}

// keep stores an edition under its digest.
func (e *Engine) keep(ctx context.Context, ed edition) (string, error) {
	document, digest, err := ed.document()
	if err != nil {
		return "", err
	}
	e.mu.Lock()
	_, known := e.outlines[digest]
	e.mu.Unlock()
	if known {
		return digest, nil
	}
	document.Version = 0
	_, err = e.docs.Put(ctx, document)
	if err != nil && !errors.Is(err, ErrConflict) {
		return "", fmt.Errorf("keep edition: %w", err)
	}
	return digest, nil
}

// document is how an edition is kept, with its digest.
func (ed edition) document() (Document, string, error) {
	raw, err := json.Marshal(ed)
	if err != nil {
		return Document{}, "", err
	}
	sum := sha256.Sum256(raw)
	digest := "sha256:" + hex.EncodeToString(sum[:])
	return Document{Kind: docEdition, Key: digest, Body: raw, Version: AnyVersion}, digest, nil
}

// errUnanswered is wrapped where the store could not be asked: later it may.
var errUnanswered = errors.New("the store does not answer")

// outline answers the checked playbook of an edition.
func (e *Engine) outline(ctx context.Context, digest string) (*outline, error) {
	e.mu.Lock()
	o := e.outlines[digest]
	e.mu.Unlock()
	if o != nil {
		return o, nil
	}
	doc, err := e.docs.Get(ctx, docEdition, digest)
	switch {
	case errors.Is(err, ErrNotFound):
		return nil, fmt.Errorf("edition %s: %w", digest, err)
	case err != nil:
		return nil, fmt.Errorf("%w: edition %s: %w", errUnanswered, digest, err)
	}
	if o, err = e.read(doc.Body); err != nil {
		return nil, fmt.Errorf("edition %s: %w", digest, err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.outlines) > 1000 {
		clear(e.outlines)
	}
	e.outlines[digest] = o
	return o, nil
}

// Edition answers the playbook of an edition that is kept, checked as far as this
// version does, or ErrNotFound. The digest is that of a run's playbook.
func (e *Engine) Edition(ctx context.Context, digest string) (*playbooks.Playbook, error) {
	o, err := e.outline(ctx, digest)
	if err != nil {
		return nil, err
	}
	return o.book, nil
}

// read makes the outline of an edition as it is kept.
func (e *Engine) read(kept []byte) (*outline, error) {
	var ed edition
	if err := json.Unmarshal(kept, &ed); err != nil {
		return nil, err
	}
	if ed.Language != 1 {
		return nil, fmt.Errorf("it is written in language %d, this version knows 1", ed.Language)
	}
	if ed.Undo != nil {
		return e.undoing(*ed.Undo), nil
	}
	if ed.Rules != nil {
		book, err := e.ruleBook(*ed.Rules)
		if err != nil {
			return nil, err
		}
		return newOutline(book), nil
	}
	world := e.World()
	world.Calls = ed.Calls
	var faults []playbooks.Finding
	if world.Lists, faults = playbooks.LoadLists(ed.Lists); playbooks.HasErrors(faults) {
		return nil, fmt.Errorf("its list does not check with this version: %s", faults[0].Message)
	}
	world.Groups = nil // who is in a group now is no fault of what was started then
	book, findings := playbooks.LoadAndCheck(ed.File, []byte(ed.Text), world)
	for _, f := range findings {
		if playbooks.HasErrors([]playbooks.Finding{f}) {
			return nil, fmt.Errorf("it does not check with this version: %s", f.Message)
		}
	}
	return newOutline(book), nil
}

// World is what playbooks are checked against here.
func (e *Engine) World() playbooks.World {
	return playbooks.World{Catalog: e.catalog, Groups: e.o.Groups, OwnDomains: e.o.OwnDomains, Labels: e.o.Labels}
}

// context answers what the strands of a run share.
func (e *Engine) context(ctx context.Context, head RunHead) (*runContext, error) {
	e.mu.Lock()
	run := e.contexts[head.ID]
	e.mu.Unlock()
	if run != nil {
		return run, nil
	}
	outline, err := e.outline(ctx, head.Edition)
	if err != nil {
		return nil, err
	}
	var start Head
	if err := json.Unmarshal(head.Head, &start); err != nil {
		return nil, fmt.Errorf("run %s: head: %w", head.ID, err)
	}
	if run, err = e.newContext(head, start, outline); err != nil {
		return nil, err
	}
	if start.Kept != "" {
		if run.kept, err = e.kept(ctx, start.Kept); err != nil {
			return nil, fmt.Errorf("run %s: %w", head.ID, err)
		}
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.contexts) >= 1024 {
		clear(e.contexts)
	}
	e.contexts[head.ID] = run
	return run, nil
}

func (e *Engine) newContext(head RunHead, start Head, o *outline) (*runContext, error) {
	book := o.book
	run := &runContext{id: head.ID, head: head, start: start, book: book, outline: o, own: e.o.OwnDomains, names: map[string]any{}, undoing: e.undoing, items: &items{}}
	var err error
	if len(start.Event.Trigger) > 0 {
		if run.names, err = book.EventNames(start.Event); err != nil {
			return nil, fmt.Errorf("run %s: event: %w", head.ID, err)
		}
	}
	params := map[string]any{}
	if len(start.Params) > 0 {
		if params, err = book.DecodeParams(start.Params); err != nil {
			return nil, fmt.Errorf("run %s: params: %w", head.ID, err)
		}
	}
	run.names["params"] = params
	run.names["run"] = map[string]any{
		"id": head.ID, "mode": head.Mode, "playbook": head.Playbook, "digest": head.Edition,
		"started_at": head.BegunAt, "started_by": start.StartedBy, "url": nil, "failed_step": nil,
	}
	if book.Timeout == nil || head.BegunAt.IsZero() {
		return run, nil
	}
	v, err := book.Timeout.Eval(playbooks.Env{Names: run.names, Now: head.BegunAt, OwnDomains: e.o.OwnDomains})
	if err != nil {
		return nil, fmt.Errorf("run %s: timeout: %w", head.ID, err)
	}
	d, ok := v.(time.Duration)
	if !ok || d <= 0 {
		return nil, fmt.Errorf("run %s: timeout: %v is not a duration such as 90s, 4h or 7d", head.ID, v)
	}
	run.due = head.BegunAt.Add(d)
	return run, nil
}

// newID is a random id of 130 bits, in lower case.
func newID() string { return strings.ToLower(rand.Text()) }
