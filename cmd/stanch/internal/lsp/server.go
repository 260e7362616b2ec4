package lsp

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"time"

	"stanch/playbooks"
)

// Options are what the server's host gives it.
type Options struct {
	Version string
	// World answers what playbooks are checked against, with those in the
	// folders that the editor has open. It is asked at the start and when files
	// have changed.
	World func(folders []string) playbooks.World
	// Delay is how long after a change findings are told; zero is 50 ms.
	Delay time.Duration
}

// ErrNoShutdown says that the editor left without a shutdown request.
var ErrNoShutdown = errors.New("the editor left without shutdown")

// Serve answers an editor until it sends exit, or its stream or ctx ends. The
// error is nil after shutdown and exit. Requests are answered in the order in
// which they come; one that was cancelled before its turn is refused.
func Serve(ctx context.Context, in io.Reader, out io.Writer, o Options) error {
	if o.Delay == 0 {
		o.Delay = 50 * time.Millisecond
	}
	s := &server{
		Options: o, out: &writer{w: out}, documents: map[string]*document{},
		queue: make(chan message, 4096), cancelled: map[string]bool{},
	}
	ended := make(chan error, 1)
	go func() { ended <- s.read(ctx, bufio.NewReaderSize(in, 64<<10)) }()
	return s.work(ctx, ended)
}

type server struct {
	Options
	out   *writer
	queue chan message

	mu        sync.Mutex
	cancelled map[string]bool // by id

	// Of work alone.
	documents map[string]*document
	folders   []string
	world     playbooks.World
	state     state
}

type state int

const (
	waiting state = iota
	serving
	stopped // shutdown was asked for
)

// read puts messages into the queue. What cancels a request overtakes it.
func (s *server) read(ctx context.Context, in *bufio.Reader) error {
	for {
		body, err := readMessage(in)
		if err != nil {
			return err
		}
		var m message
		if err := json.Unmarshal(body, &m); err != nil {
			if err := s.out.send(message{ID: json.RawMessage("null"), Error: failed(codeParse, "%v", err)}); err != nil {
				return err
			}
			continue
		}
		if m.Method == "$/cancelRequest" {
			var p struct {
				ID json.RawMessage `json:"id"`
			}
			if json.Unmarshal(m.Params, &p) == nil {
				s.mu.Lock()
				s.cancelled[string(p.ID)] = true
				s.mu.Unlock()
			}
			continue
		}
		select {
		case s.queue <- m:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errExit ends the work after exit.
var errExit = errors.New("exit")

// work answers messages one after the other, and tells findings when the
// editor has been still for a moment.
func (s *server) work(ctx context.Context, ended <-chan error) error {
	still := time.NewTimer(time.Hour)
	still.Stop()
	for {
		var err error
		select {
		case m := <-s.queue:
			err = s.handle(m)
			if changes(m) {
				still.Reset(s.Delay)
			}
		case <-still.C:
			err = s.publish()
		case err = <-ended:
			for err == nil || errors.Is(err, io.EOF) { // what came before the end is answered
				select {
				case m := <-s.queue:
					if err := s.handle(m); err != nil {
						return s.leave(err)
					}
					continue
				default:
				}
				return s.leave(err)
			}
		case <-ctx.Done():
			return ctx.Err()
		}
		if err != nil {
			return s.leave(err)
		}
	}
}

// leave says how the session ended.
func (s *server) leave(err error) error {
	if (errors.Is(err, errExit) || errors.Is(err, io.EOF)) && s.state == stopped {
		return nil
	}
	if errors.Is(err, errExit) || errors.Is(err, io.EOF) {
		return ErrNoShutdown
	}
	return err
}

// changes reports whether a message may change what is found.
func changes(m message) bool {
	switch m.Method {
	case "textDocument/didChange", "textDocument/didSave", "workspace/didChangeWatchedFiles":
		return true
	}
	return false
}

// handle answers one message. The error ends the session.
func (s *server) handle(m message) error {
	if m.Method == "" {
		return nil // an answer; the server asks nothing
	}
	if m.ID == nil {
		return s.notified(m)
	}
	s.mu.Lock()
	cancelled := s.cancelled[string(m.ID)]
	delete(s.cancelled, string(m.ID))
	s.mu.Unlock()
	switch {
	case cancelled:
		return s.out.answer(m.ID, nil, failed(codeCancelled, "%s was cancelled", m.Method))
	case s.state == stopped:
		return s.out.answer(m.ID, nil, failed(codeInvalidRequest, "the server has been shut down"))
	case s.state == waiting && m.Method != "initialize":
		return s.out.answer(m.ID, nil, failed(codeNotInitialized, "initialize comes first"))
	}
	result, err := s.guarded(m)
	return s.out.answer(m.ID, result, err)
}

// guarded answers a request; a panic is an error of this request alone.
func (s *server) guarded(m message) (result any, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = failed(codeInternal, "%s: %v\n%s", m.Method, r, debug.Stack())
		}
	}()
	switch m.Method {
	case "initialize":
		return s.initialize(m.Params)
	case "shutdown":
		s.state = stopped
		return nil, nil
	case "textDocument/hover":
		return asked(s, m, s.hover)
	case "textDocument/completion":
		return asked(s, m, s.completion)
	case "textDocument/definition":
		return asked(s, m, s.definition)
	case "textDocument/references":
		return asked(s, m, s.references)
	case "textDocument/prepareRename":
		return asked(s, m, s.prepareRename)
	case "textDocument/rename":
		return asked(s, m, s.rename)
	case "textDocument/formatting":
		return asked(s, m, s.formatting)
	case "textDocument/codeAction":
		return s.codeAction(m.Params)
	}
	return nil, failed(codeNoMethod, "unknown method %q", m.Method)
}

// asked reads the params of a request at a position and finds its document.
func asked(s *server, m message, do func(*document, positionParams) (any, error)) (any, error) {
	var p positionParams
	if err := json.Unmarshal(m.Params, &p); err != nil {
		return nil, failed(codeInvalidParams, "%s: %v", m.Method, err)
	}
	d, err := s.document(p.TextDocument.URI)
	if err != nil {
		return nil, err
	}
	return do(d, p)
}

func (s *server) document(uri string) (*document, error) {
	d, ok := s.documents[uri]
	if !ok {
		return nil, failed(codeInvalidParams, "the document %s is not open", uri)
	}
	return d, nil
}

func (s *server) initialize(params json.RawMessage) (any, error) {
	if s.state != waiting {
		return nil, failed(codeInvalidRequest, "initialize comes once")
	}
	var p initializeParams
	if err := json.Unmarshal(params, &p); err != nil {
		return nil, failed(codeInvalidParams, "initialize: %v", err)
	}
	for _, f := range p.WorkspaceFolders {
		s.folders = append(s.folders, fileOf(f.URI))
	}
	if len(s.folders) == 0 && p.RootURI != nil {
		s.folders = []string{fileOf(*p.RootURI)}
	}
	s.state = serving
	s.world = s.World(s.folders)
	return map[string]any{
		"capabilities": capabilities(),
		"serverInfo":   map[string]any{"name": "stanch", "version": s.Version},
	}, nil
}

// notified takes a notification; those that it does not know are left.
func (s *server) notified(m message) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = s.out.notify("window/logMessage", map[string]any{"type": 1, "message": fmt.Sprintf("%s: %v\n%s", m.Method, r, debug.Stack())})
		}
	}()
	if m.Method == "exit" {
		return errExit
	}
	if s.state != serving {
		return nil
	}
	switch m.Method {
	case "textDocument/didOpen":
		return s.opened(m.Params)
	case "textDocument/didChange":
		return s.changed(m.Params)
	case "textDocument/didClose":
		return s.closed(m.Params)
	case "textDocument/didSave", "workspace/didChangeWatchedFiles":
		s.world = s.World(s.folders)
		for _, d := range s.documents {
			d.analysis, d.dirty = nil, true
		}
	}
	return nil
}
