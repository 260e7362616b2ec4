package playbooks

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strings"

	"github.com/expr-lang/expr/ast"
)

// securityFunctions are about whom and what incidents name.
func securityFunctions() map[string]function {
	text := StringType()
	return map[string]function{
		"external": {
			params: []Type{text}, result: BooleanType(),
			doc: "Whether an address or sign-in name is outside our own domains and their subdomains. " +
				"Guests (name_domain#EXT#@ours) are. What is no address is an error.",
			example: "any(evidence.users, .upn != nil and external(.upn))", eval: evalExternal,
		},
		"domain": {
			params: []Type{text}, result: OptionalOf(text), doc: "The domain of an address in small letters, of a guest the one they come from; nil of what is no address.",
			example: `domain("jo@contoso.example")`, eval: evalDomain,
		},
		"glob": {
			min: 2, max: 2, sign: "(string, pattern) boolean",
			doc:     "Whether all of a text fits a pattern, whatever the case: ? is one character and * any number of them but /, ** any number of all.",
			example: `glob(file.path, "/sites/hr/**")`, infer: inferGlob, lower: lowerGlob,
		},
		"in_cidr": {
			min: 2, max: 2, sign: "(string, network) boolean", doc: "Whether an IP address is in a network.",
			example: `in_cidr(ip.address, "10.0.0.0/8")`, infer: inferNetwork, lower: lowerNetwork,
		},
		"redact": {
			params: []Type{text}, result: text,
			doc:     "A text made fit for mails: of an address the first letter and the domain stay, of other text over 8 characters the last 4.",
			example: `redact("jo@contoso.example")`, eval: evalRedact,
		},
	}
}

// domainOf is the domain of an address, or "". A guest's sign-in name in our
// tenant holds their own address: name_domain#EXT#@ours.
func domainOf(address string) (domain string, guest bool) {
	at := strings.LastIndexByte(address, '@')
	if at < 1 {
		return "", false
	}
	local, host := address[:at], strings.ToLower(strings.TrimSuffix(address[at+1:], "."))
	if i := strings.Index(strings.ToUpper(local), "#EXT#"); i >= 0 {
		guest = true
		if j := strings.LastIndexByte(local[:i], '_'); j >= 0 && j+1 < i {
			host = strings.ToLower(local[j+1 : i])
		}
	}
	if host == "" || strings.ContainsAny(host, " \t\r\n@/\\") {
		return "", guest
	}
	return host, guest
}

func evalExternal(b *budget, args []any) (any, error) {
	address, err := textArgument(args, 0)
	if err != nil {
		return nil, err
	}
	if len(b.own) == 0 {
		return nil, errors.New("external() needs our own domains, and none are configured")
	}
	if err := b.read(times(len(address)+16, len(b.own)+1)); err != nil {
		return nil, err
	}
	domain, guest := domainOf(address)
	if domain == "" {
		return nil, fmt.Errorf("%q is no address", shorten(address))
	}
	if guest {
		return true, nil
	}
	for _, own := range b.own {
		own = strings.ToLower(strings.TrimSuffix(own, "."))
		if domain == own || strings.HasSuffix(domain, "."+own) {
			return false, nil
		}
	}
	return true, nil
}

func evalDomain(b *budget, args []any) (any, error) {
	address, err := textArgument(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.text(len(address)); err != nil {
		return nil, err
	}
	if domain, _ := domainOf(address); domain != "" {
		return domain, nil
	}
	return nil, nil
}

func inferGlob(c *checker, k call, f flow) Type {
	c.wantType(k.args[0], c.infer(k.args[0], f), StringType())
	c.constantText(k, 1, f)
	return BooleanType()
}

func lowerGlob(l *lowering, k call) ast.Node {
	written := k.args[1].(*ast.StringNode).Value
	return l.call("matches", evalMatches, l.lower(k.args[0]), &ast.ConstantNode{Value: compilePattern(globPattern(written))})
}

// globPattern is a glob as a regular expression.
func globPattern(glob string) string {
	var b strings.Builder
	b.WriteString(`(?is)\A`)
	for rest := glob; rest != ""; {
		switch {
		case strings.HasPrefix(rest, "**"):
			b.WriteString(`.*`)
			rest = strings.TrimLeft(rest, "*")
			continue
		case rest[0] == '*':
			b.WriteString(`[^/]*`)
		case rest[0] == '?':
			b.WriteString(`[^/]`)
		default:
			end := strings.IndexAny(rest, "*?")
			if end < 0 {
				end = len(rest)
			}
			b.WriteString(regexp.QuoteMeta(rest[:end]))
			rest = rest[end:]
			continue
		}
		rest = rest[1:]
	}
	return b.String() + `\z`
}

func inferNetwork(c *checker, k call, f flow) Type {
	c.wantType(k.args[0], c.infer(k.args[0], f), StringType())
	if written, ok := c.constantText(k, 1, f); ok {
		if _, err := netip.ParsePrefix(written); err != nil {
			c.report(k.args[1], "E316", fmt.Sprintf("%q is no network", shorten(written)), "write it as 10.0.0.0/8 or 2001:db8::/32")
		}
	}
	return BooleanType()
}

func lowerNetwork(l *lowering, k call) ast.Node {
	network := netip.MustParsePrefix(k.args[1].(*ast.StringNode).Value).Masked()
	return l.call("in_cidr", evalNetwork, l.lower(k.args[0]), &ast.ConstantNode{Value: &network})
}

func evalNetwork(b *budget, args []any) (any, error) {
	s, err := textArgument(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.read(len(s)); err != nil {
		return nil, err
	}
	address, err := netip.ParseAddr(s)
	if err != nil {
		return nil, fmt.Errorf("%q is no IP address", shorten(s))
	}
	return args[1].(*netip.Prefix).Contains(address.Unmap().WithZone("")), nil
}

func evalRedact(b *budget, args []any) (any, error) {
	s, err := textArgument(args, 0)
	if err != nil {
		return nil, err
	}
	if err := b.text(len(s) + 8); err != nil {
		return nil, err
	}
	runes := []rune(s)
	if domain, _ := domainOf(s); domain != "" {
		return string(runes[:1]) + "…" + s[strings.LastIndexByte(s, '@'):], nil
	}
	if len(runes) > 8 {
		return "…" + string(runes[len(runes)-4:]), nil
	}
	return "…", nil
}
