package connectors

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"net/url"
	"strings"
)

// Page is one page of a list.
type Page struct {
	Items []json.RawMessage
	Reply Reply
	More  bool // another page follows
}

// Pages yields the pages of a list in order, each under the client's timeout.
// While one is used the next is on its way; that one is given up where the list
// is. It follows a next link only to the very scheme, host and port of the API and
// only once, and no further than MaxPages; else, and after any error, the list
// is incomplete and ends with that error.
//
// Pages are not asked for beside each other by $skip, not where an API has it
// either: what changes meanwhile moves from one to another and is missed.
func (c *Client) Pages(ctx context.Context, r Request) iter.Seq2[Page, error] {
	return c.pages(ctx, r, func(ctx context.Context, r Request) fetched {
		var body struct {
			Value *[]json.RawMessage `json:"value"`
			Next  string             `json:"@odata.nextLink"`
			Plain string             `json:"nextLink"` // so Azure Resource Manager calls it
		}
		reply, err := c.Read(ctx, r, &body)
		if err == nil && body.Value == nil {
			err = &Error{Op: c.op(r), Code: Failed, RequestID: reply.RequestID, Message: `the answer is no list: it has no "value"`}
		}
		if err != nil {
			return fetched{err: err}
		}
		return fetched{page: Page{Items: *body.Value, Reply: reply}, next: cmp.Or(body.Next, body.Plain)}
	})
}

// BarePages is Pages for a list that is an array and nothing else, whose next
// page the header NextPageUri names. Options of always that a link lacks are
// added to it.
func (c *Client) BarePages(ctx context.Context, r Request, always ...Param) iter.Seq2[Page, error] {
	r.Query = append(r.Query[:len(r.Query):len(r.Query)], always...)
	return c.pages(ctx, r, func(ctx context.Context, r Request) fetched {
		var page Page
		var err error
		page.Reply, err = c.Read(ctx, r, &page.Items)
		return fetched{page, withOptions(page.Reply.next, always), err}
	})
}

// fetched is a page and the link to the next, "" for the last one.
type fetched struct {
	page Page
	next string
	err  error
}

// pages yields what read answers, page by page.
func (c *Client) pages(ctx context.Context, r Request, read func(context.Context, Request) fetched) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		seen := map[string]bool{}
		next := func() fetched { return read(ctx, r) }
		defer func() {
			cancel()
			next()
		}()
		for n := 1; ; n++ {
			got := next()
			next = func() fetched { return got }
			if got.err != nil {
				yield(Page{}, got.err)
				return
			}
			got.page.More = got.next != ""
			var astray *Error
			if got.next != "" {
				if astray = c.follow(got.next, seen, n); astray == nil {
					r.Path, r.Query = Path{link: got.next}, nil
					next = ahead(ctx, r, read)
				}
			}
			if !yield(got.page, nil) || got.next == "" {
				return
			}
			if astray != nil {
				astray.Op, astray.RequestID = c.op(r), got.page.Reply.RequestID
				yield(Page{}, astray)
				return
			}
		}
	}
}

// ahead asks for a page at once; what it answers waits for it.
func ahead(ctx context.Context, r Request, read func(context.Context, Request) fetched) func() fetched {
	done := make(chan fetched, 1)
	go func() { done <- read(ctx, r) }()
	return func() fetched { return <-done }
}

// ReadAt is Read of an address that an answer of the API has named. One with
// another scheme, host or port than the API is refused, for the token would go
// there. Of r the query holds options that are added if the address lacks them.
func (c *Client) ReadAt(ctx context.Context, r Request, link string, out any) (Reply, error) {
	if !c.hosts(link) {
		return Reply{}, &Error{
			Op: c.op(r), Code: Refused, Hint: "it is not asked for there",
			Message: fmt.Sprintf("it is said to lie elsewhere than under %s://%s: %q", c.base.Scheme, c.base.Host, line(origin(link), 120)),
		}
	}
	r.Path, r.Query = Path{link: withOptions(link, r.Query)}, nil
	return c.Read(ctx, r, out)
}

// withOptions adds those options to a link that it lacks.
func withOptions(link string, options []Param) string {
	u, err := url.Parse(link)
	if err != nil || link == "" || u.Fragment != "" {
		return link
	}
	for have := u.Query(); len(options) > 0; options = options[1:] {
		if o := options[0]; !have.Has(o.Key) {
			mark := "?"
			if strings.Contains(link, mark) {
				mark = "&"
			}
			link += mark + o.Key + "=" + url.QueryEscape(o.Value)
		}
	}
	return link
}

// hosts reports whether a link leads to the very scheme, host and port of the
// API.
func (c *Client) hosts(link string) bool {
	u, err := url.Parse(link)
	return err == nil && u.Scheme == c.base.Scheme && u.User == nil && !strings.Contains(u.Path, "/../") &&
		strings.EqualFold(strings.TrimSuffix(u.Host, ":443"), strings.TrimSuffix(c.base.Host, ":443"))
}

// PageOf is one page of a list, its items read.
type PageOf[T any] struct {
	Items     []T
	Faulty    []Faulty // those that could not be read
	More      bool     // another page follows
	RequestID string
}

// Faulty is an item of a list that could not be read.
type Faulty struct {
	Raw json.RawMessage
	Err error
}

// PagesOf is Pages with each item as read makes it, which is told the request id of
// the answer.
func PagesOf[T any](ctx context.Context, c *Client, r Request, read func(raw json.RawMessage, request string) (T, error)) iter.Seq2[PageOf[T], error] {
	return func(yield func(PageOf[T], error) bool) {
		for page, err := range c.Pages(ctx, r) {
			if err != nil {
				yield(PageOf[T]{}, err)
				return
			}
			out := PageOf[T]{More: page.More, RequestID: page.Reply.RequestID}
			for _, raw := range page.Items {
				if item, err := read(raw, out.RequestID); err != nil {
					out.Faulty = append(out.Faulty, Faulty{raw, err})
				} else {
					out.Items = append(out.Items, item)
				}
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

// follow judges the next link after page n.
func (c *Client) follow(link string, seen map[string]bool, n int) *Error {
	if !c.hosts(link) {
		return &Error{
			Code:    Refused,
			Message: fmt.Sprintf("the next page lies elsewhere than under %s://%s: %q", c.base.Scheme, c.base.Host, line(origin(link), 120)),
			Hint:    "the list is incomplete; it is not asked for there",
		}
	}
	if seen[link] {
		return &Error{Code: Failed, Message: fmt.Sprintf("the pages go in a circle: page %d points to one that was read before", n)}
	}
	if n >= c.options.MaxPages {
		return &Error{Code: Limit, Message: fmt.Sprintf("more than %d pages", n), Hint: "ask for less at once"}
	}
	seen[link] = true
	return nil
}

// origin is a link without its path and query, which may hold a token.
func origin(link string) string {
	scheme, rest, found := strings.Cut(link, "://")
	if !found {
		return link[:min(len(link), 40)]
	}
	if at := strings.IndexAny(rest, "/?#"); at >= 0 {
		rest = rest[:at]
	}
	return scheme + "://" + rest
}

// List answers the items of all pages, decoded, never nil.
func List[T any](ctx context.Context, c *Client, r Request) ([]T, error) {
	out := []T{}
	for page, err := range c.Pages(ctx, r) {
		if err != nil {
			return nil, err
		}
		for _, raw := range page.Items {
			var item T
			if err := json.Unmarshal(raw, &item); err != nil {
				return nil, &Error{
					Op: c.op(r), Code: Failed, RequestID: page.Reply.RequestID,
					Message: "an entry of the list has another shape than expected: " + line(strings.TrimPrefix(err.Error(), "json: "), maxMessage),
				}
			}
			out = append(out, item)
		}
	}
	return out, nil
}
