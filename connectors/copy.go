package connectors

import (
	"context"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"
)

// downloadTimeout bounds a download whose change gives it more time.
const downloadTimeout = 10 * time.Minute

// Copy is a download: a GET whose body goes to a writer as it comes.
type Copy struct {
	Into io.Writer
	Most int64 // bytes, decompressed; more is an error of code limit
	// Mail says that a mail is expected: a page or JSON is none, but comes from a
	// proxy, a login or a failure.
	Mail bool
}

// Download copies the body of a GET. It changes nothing there and still has the
// bounds of a change, for what comes is kept: it is sent once, not after the
// change's time and not while effects are frozen, and its id goes along. After an
// error a part may have been written.
func (c *Client) Download(ctx context.Context, change Change, r Request, to Copy) (Reply, error) {
	r.copy = &to
	if err := change.valid(); err != nil || r.method() != http.MethodGet {
		return Reply{}, c.refused(r, errors.Join(err, errNotGET(r.method())))
	}
	if err := change.may(); err != nil {
		return Reply{}, c.refused(r, err)
	}
	return c.do(ctx, r, &change, nil)
}

func errNotGET(method string) error {
	if method == http.MethodGet {
		return nil
	}
	return errors.New(method + " is no download")
}

// Redirected does a GET that answers where something lies, and nothing else.
func (c *Client) Redirected(ctx context.Context, r Request) (Location, error) {
	r.moved = true
	reply, err := c.do(ctx, r, nil, nil)
	e, is := errors.AsType[*Error](err)
	if moved := reply.Status == http.StatusFound || reply.Status == http.StatusTemporaryRedirect; is && moved && reply.Location.Known() {
		return reply.Location, nil
	}
	if err == nil {
		e = &Error{Op: c.op(r), Code: Failed, Status: reply.Status, RequestID: reply.RequestID, Message: "it answered no place from which to download"}
	}
	return Location{}, e
}

// DownloadAt is Download from a location, which must lie in the cloud's
// SharePoint, without a bearer token. Of r, Op and Permission are used.
func (c *Client) DownloadAt(ctx context.Context, change Change, r Request, at Location, to Copy) (Reply, error) {
	u, err := url.Parse(string(at.address))
	if err != nil || !c.cloud.OwnsSharePoint(u) {
		where := "nowhere"
		if err == nil && u.Host != "" {
			where = "at " + line(u.Scheme+"://"+u.Host, 120)
		}
		return Reply{}, &Error{
			Op: c.op(r), Code: Refused, Hint: "it is not downloaded from there",
			Message: "the content is said to lie " + where + ", which is not the SharePoint of this cloud",
		}
	}
	return c.Download(ctx, change, Request{Op: r.Op, Permission: r.Permission, Path: Path{link: u.String()}, bare: true}, to)
}

// copied writes the body of a success as it comes.
func (x *call) copied(res *http.Response, into io.Writer) error {
	if err := plainEncoding(res); err != nil {
		return x.unreadable(err)
	}
	limit := x.client.options.MaxBody
	sink := &sink{to: into}
	n, err := io.Copy(sink, io.LimitReader(res.Body, limit+1))
	switch {
	case sink.err != nil:
		return sink.err // the writer's own
	case err != nil:
		return x.unreadable(err)
	case n > limit:
		return x.unreadable(tooLargeError(limit))
	}
	return nil
}

// sink remembers that it was the writer who failed.
type sink struct {
	to  io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	n, err := s.to.Write(b)
	s.err = err
	return n, err
}

// download copies the body of an answer that Download has asked for.
func (x *call) download(res *http.Response, reply Reply) error {
	to := x.request.copy
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	if to.Mail && slices.Contains([]string{"text/html", "application/xhtml+xml", "application/json"}, kind) {
		e := x.errorOf(Failed)
		e.Status, e.RequestID, e.Message = res.StatusCode, reply.RequestID, "the answer is no mail but "+kind
		e.Hint = "see that " + x.host + " is the API and no proxy answers in its place"
		return e
	}
	bounded := *x
	bounded.client = &Client{api: x.client.api, options: Options{MaxBody: to.Most}}
	err := bounded.copied(res, to.Into)
	if e, is := errors.AsType[*Error](err); is {
		if e.Op == x.client.op(x.request) { // ours, not the writer's
			e.Status, e.RequestID = res.StatusCode, reply.RequestID
			e.Open = e.Open && e.Code != Limit
		}
	}
	return err
}
