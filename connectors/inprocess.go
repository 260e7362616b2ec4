package connectors

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// inProcess answers requests by a handler of this process: nothing is dialled
// and no byte leaves. A gate is asked as it is before a connection's first byte.
type inProcess struct{ handler http.Handler }

// errCut is what a client sees of a connection that ends without an answer.
var errCut = errors.New("the connection was cut before an answer")

func (p inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if g, _ := r.Context().Value(gateKey{}).(*gate); g != nil {
		if err := g.pass(); err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.Host, in.RequestURI, in.RemoteAddr = r.URL.Host, r.URL.RequestURI(), "in-process"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	defer func() { _ = in.Body.Close() }()
	out := &answered{header: http.Header{}}
	cut := out.serve(p.handler, in)
	if cut && out.status == 0 {
		return nil, errCut
	}
	var body io.Reader = &out.body
	if cut {
		body = io.MultiReader(body, cutShort{})
	}
	return &http.Response{
		Status: http.StatusText(out.code()), StatusCode: out.code(), Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: out.header, Body: io.NopCloser(body), ContentLength: -1, Request: r,
	}, nil
}

// answered is what a handler has answered.
type answered struct {
	header http.Header
	status int
	body   bytes.Buffer
}

// serve runs the handler; true: it ended the connection.
func (a *answered) serve(h http.Handler, r *http.Request) (cut bool) {
	defer func() {
		switch thrown := recover(); thrown {
		case nil:
		case http.ErrAbortHandler:
			cut = true
		default:
			panic(thrown)
		}
	}()
	h.ServeHTTP(a, r)
	return false
}

func (a *answered) Header() http.Header { return a.header }

func (a *answered) WriteHeader(status int) {
	if a.status == 0 {
		a.status = status
	}
}

func (a *answered) Write(b []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	return a.body.Write(b)
}

func (a *answered) code() int {
	if a.status == 0 {
		return http.StatusOK
	}
	return a.status
}

// cutShort is the end of a body whose connection was cut.
type cutShort struct{}

func (cutShort) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
