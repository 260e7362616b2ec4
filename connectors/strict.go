package connectors

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// StrictJSON reports why a text is not exactly one JSON value in UTF-8, without
// doubled keys, and with at most so many lists and objects in each other.
func StrictJSON(b []byte, most int) error {
	if !utf8.Valid(b) {
		return errors.New("it is not UTF-8")
	}
	if deepest(b) > most {
		return fmt.Errorf("lists and objects stand in each other more than %d deep", most)
	}
	_, err := strictJSON(b)
	return err
}

// deepest answers how many lists and objects stand in each other at most.
func deepest(b []byte) int {
	depth, deep := 0, 0
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			depth++
			deep = max(deep, depth)
		case '}', ']':
			depth--
		case '"':
			for i++; i < len(b) && b[i] != '"'; i++ {
				if b[i] == '\\' {
					i++
				}
			}
		}
	}
	return deep
}

// strictJSON refuses what is not exactly one JSON value without doubled keys,
// and reports whether it is an object with a key "error" that is not null.
func strictJSON(b []byte) (fault bool, err error) {
	if !json.Valid(b) {
		var v any
		return false, errors.New(line(json.Unmarshal(b, &v).Error(), 120))
	}
	var keys []map[string]bool // of the open objects; nil for an array
	key := false               // a string here is a key
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{':
			keys, key = append(keys, map[string]bool{}), true
		case '[':
			keys, key = append(keys, nil), false
		case '}', ']':
			keys = keys[:len(keys)-1]
			key = false
		case ',':
			key = keys[len(keys)-1] != nil
		case '"':
			end := i + 1
			for ; b[end] != '"'; end++ {
				if b[end] == '\\' {
					end++
				}
			}
			if key {
				name := unquoted(b[i : end+1])
				top := keys[len(keys)-1]
				if top[name] {
					return false, fmt.Errorf("the key %q stands twice in one object", line(name, 80))
				}
				top[name] = true
				fault = fault || len(keys) == 1 && name == "error" && !isNull(b[end+1:])
				key = false
			}
			i = end
		}
	}
	return fault, nil
}

func unquoted(b []byte) string {
	if !strings.Contains(string(b), `\`) {
		return string(b[1 : len(b)-1])
	}
	var s string
	_ = json.Unmarshal(b, &s) // valid, as the whole is
	return s
}

// isNull looks behind a key.
func isNull(rest []byte) bool {
	return strings.HasPrefix(strings.TrimLeft(string(rest[:min(len(rest), 64)]), ": \t\r\n"), "null")
}

// fault is what an error body says.
type fault struct{ code, inner, message, requestID string }

// parseFault reads the error bodies of Graph, Defender and ARM:
// {"error":{"code","message","innerError":{…,"request-id"}}}, with innererror
// nested and in either case, and {"code","message"} alone. All is made fit for
// one line; a body of another form gives nothing.
//
// Source: learn.microsoft.com/graph/errors,
// learn.microsoft.com/defender-endpoint/api/common-errors.
func parseFault(b []byte) fault {
	type layer struct {
		Code    string          `json:"code"`
		Message string          `json:"message"`
		ID      string          `json:"request-id"`
		Inner   json.RawMessage `json:"innererror"` // matched in any case
		Error   json.RawMessage `json:"error"`
	}
	if said, is := sharePointFault(b); is {
		return said
	}
	var outer layer
	if json.Unmarshal(b, &outer) != nil {
		return fault{}
	}
	if len(outer.Error) > 0 && string(outer.Error) != "null" {
		var text string
		if json.Unmarshal(outer.Error, &text) == nil {
			return fault{message: line(text, maxMessage)}
		}
		inner := outer.Error
		outer = layer{}
		if json.Unmarshal(inner, &outer) != nil {
			return fault{}
		}
	}
	f := fault{code: line(outer.Code, 80), message: line(outer.Message, maxMessage), requestID: line(outer.ID, 64)}
	deepest := ""
	for depth := 0; depth < 8 && len(outer.Inner) > 0; depth++ {
		var next layer
		if json.Unmarshal(outer.Inner, &next) != nil {
			break
		}
		if next.Code != "" {
			f.inner = line(next.Code, 80)
		}
		if next.Message != "" {
			deepest = line(next.Message, maxMessage)
		}
		if next.ID != "" {
			f.requestID = line(next.ID, 64)
		}
		outer = next
	}
	if deepest != "" && !strings.Contains(f.message, deepest) { // Log Analytics tells what is wrong there only
		f.message = strings.TrimPrefix(strings.TrimSuffix(f.message, ".")+": "+deepest, ": ")
	}
	if f.inner == f.code {
		f.inner = ""
	}
	return f
}

// sharePointFault reads an error of SharePoint's own REST API, in JSON light,
// or the one that its front door answers for a token
// (learn.microsoft.com/sharepoint/dev/sp-add-ins/complete-basic-operations-using-sharepoint-rest-endpoints).
func sharePointFault(b []byte) (fault, bool) {
	var said struct {
		Error *struct {
			Code    string `json:"code"`
			Message struct {
				Value string `json:"value"`
			} `json:"message"`
		} `json:"odata.error"`
		Description string `json:"error_description"`
	}
	if json.Unmarshal(b, &said) != nil || said.Error == nil && said.Description == "" {
		return fault{}, false
	}
	if said.Error == nil {
		return fault{message: line(said.Description, maxMessage)}, true
	}
	return fault{code: line(said.Error.Code, 80), message: line(said.Error.Message.Value, maxMessage)}, true
}
