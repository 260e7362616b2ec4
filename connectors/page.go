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
	return func(yield func(Page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		seen := map[string]bool{}
		next := func() fetched { return c.page(ctx, r) }
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
			var astray *Error
			if got.next != "" {
				if astray = c.follow(got.next, seen, n); astray == nil {
					next = c.ahead(ctx, r, got.next)
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

// fetched is a page and the link to the next, "" for the last one.
type fetched struct {
	page Page
	next string
	err  error
}

// ahead asks for the page at a link at once; what it answers waits for it.
func (c *Client) ahead(ctx context.Context, r Request, link string) func() fetched {
	r.Path, r.Query = Path{link: link}, nil
	done := make(chan fetched, 1)
	go func() { done <- c.page(ctx, r) }()
	return func() fetched { return <-done }
}

// page reads one page.
func (c *Client) page(ctx context.Context, r Request) fetched {
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
}

// PageOf is one page of a list, its items read.
type PageOf[T any] struct {
	Items     []T
	RequestID string
}

// PagesOf is Pages with each item as read makes it, which is told the request id of
// the answer. An item that it cannot read ends the list with its error.
func PagesOf[T any](ctx context.Context, c *Client, r Request, read func(raw json.RawMessage, request string) (T, error)) iter.Seq2[PageOf[T], error] {
	return func(yield func(PageOf[T], error) bool) {
		for page, err := range c.Pages(ctx, r) {
			out := PageOf[T]{RequestID: page.Reply.RequestID}
			for _, raw := range page.Items {
				var item T
				if item, err = read(raw, out.RequestID); err != nil {
					break
				}
				out.Items = append(out.Items, item)
			}
			if err != nil {
				yield(PageOf[T]{}, err)
				return
			}
			if !yield(out, nil) {
				return
			}
		}
	}
}

// follow judges the next link after page n.
func (c *Client) follow(link string, seen map[string]bool, n int) *Error {
	u, err := url.Parse(link)
	if err != nil || u.Scheme != c.base.Scheme || u.User != nil || !strings.EqualFold(strings.TrimSuffix(u.Host, ":443"), strings.TrimSuffix(c.base.Host, ":443")) || strings.Contains(u.Path, "/../") {
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
