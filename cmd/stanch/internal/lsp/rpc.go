// Package lsp serves editors: the Language Server Protocol over a pair of
// streams, for the playbook language. It knows the protocol and nothing of the
// language, which package playbooks analyses.
package lsp

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
)

// mostBytes bounds one message.
const mostBytes = 64 << 20

// The codes of errors, of JSON-RPC and of the protocol.
const (
	codeParse          = -32700
	codeInvalidRequest = -32600
	codeNoMethod       = -32601
	codeInvalidParams  = -32602
	codeInternal       = -32603
	codeNotInitialized = -32002
	codeCancelled      = -32800
	codeFailed         = -32803
)

// message is a request, a notification (no ID) or a response (no Method).
type message struct {
	Version string          `json:"jsonrpc"`
	ID      json.RawMessage `json:"id,omitempty"`
	Method  string          `json:"method,omitempty"`
	Params  json.RawMessage `json:"params,omitempty"`
	Result  json.RawMessage `json:"result,omitempty"`
	Error   *failure        `json:"error,omitempty"`
}

// failure is why a request was not answered.
type failure struct {
	Code    int    `json:"code"`
	Message string `json:"message"`
}

func (f *failure) Error() string { return f.Message }

func failed(code int, format string, args ...any) *failure {
	return &failure{code, fmt.Sprintf(format, args...)}
}

// errFraming says that the stream cannot be followed any more.
var errFraming = errors.New("the editor's stream is not made of LSP messages")

// readMessage reads the body of the next message; io.EOF at the end of the
// stream between two of them.
func readMessage(r *bufio.Reader) ([]byte, error) {
	length := -1
	for first := true; ; first = false {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) && first && line == "" {
			return nil, io.EOF
		}
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errFraming, err)
		}
		if line = strings.TrimRight(line, "\r\n"); line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || len(line) > 1000 {
			return nil, fmt.Errorf("%w: the header %.60q", errFraming, line)
		}
		if strings.EqualFold(name, "Content-Length") {
			if length, err = strconv.Atoi(strings.TrimSpace(value)); err != nil || length < 0 || length > mostBytes {
				return nil, fmt.Errorf("%w: the length %.60q", errFraming, value)
			}
		}
	}
	if length < 0 {
		return nil, fmt.Errorf("%w: a message without Content-Length", errFraming)
	}
	body := make([]byte, length)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, fmt.Errorf("%w: %w", errFraming, err)
	}
	return body, nil
}

// writer writes whole messages. It may be used from many goroutines.
type writer struct {
	mu sync.Mutex
	w  io.Writer
}

func (w *writer) send(m message) error {
	m.Version = "2.0"
	body, err := json.Marshal(m)
	if err != nil {
		return fmt.Errorf("lsp: %w", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := fmt.Fprintf(w.w, "Content-Length: %d\r\n\r\n%s", len(body), body); err != nil {
		return fmt.Errorf("lsp: %w", err)
	}
	return nil
}

func (w *writer) notify(method string, params any) error {
	raw, err := json.Marshal(params)
	if err != nil {
		return fmt.Errorf("lsp: %w", err)
	}
	return w.send(message{Method: method, Params: raw})
}

// answer sends the result of a request, or why there is none.
func (w *writer) answer(id json.RawMessage, result any, err error) error {
	if err != nil {
		f, ok := errors.AsType[*failure](err)
		if !ok {
			f = failed(codeInternal, "%v", err)
		}
		return w.send(message{ID: id, Error: f})
	}
	raw, err := json.Marshal(result)
	if err != nil {
		return w.send(message{ID: id, Error: failed(codeInternal, "%v", err)})
	}
	return w.send(message{ID: id, Result: raw})
}
