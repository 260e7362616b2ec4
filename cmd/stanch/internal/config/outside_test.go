package config

import (
	"path/filepath"
	"strings"
	"testing"
)

const outside = `tenant: {id: a.example, auth: {kind: cli}}
egress:
  hosts: [api.example.com, "*.example.org"]
  networks: [10.20.0.0/16, 10.1.1.1]
  proxy: {address: "http://proxy.example:3128", except: [desk.internal], user: u, password: {file: proxy.pw}, by_name: true, ca: proxy.pem}
services:
  tickets: {base: "https://tickets.example/api", ca: ca.pem, auth: {kind: header, name: X-Api-Key, secret: {file: key}}}
  old: {base: "http://old.internal", plain_http: true, auth: {kind: basic, user: u, secret: {env: P}}}
channels:
  soc: {kind: teams, url: {env: TEAMS}}
  siem: {kind: webhook, url: {file: siem.url}, key: {file: siem.key}}
  owners: {kind: email, from: dlp@a.example, to: [ann@a.example, bob@a.example]}
`

func TestOutside(t *testing.T) {
	dir := t.TempDir()
	c, err := Parse(filepath.Join(dir, "stanch.yaml"), []byte(outside))
	if err != nil {
		t.Fatal(err)
	}
	for got, want := range map[string]string{
		c.Egress.Proxy.Password.File: "proxy.pw", c.Egress.Proxy.CA: "proxy.pem", c.Services["tickets"].CA: "ca.pem",
		c.Services["tickets"].Auth.Secret.File: "key", c.Channels["siem"].URL.File: "siem.url", c.Channels["siem"].Key.File: "siem.key",
	} {
		if got != filepath.Join(dir, want) {
			t.Errorf("%s is %s, which is not meant from the folder of the file", want, got)
		}
	}
	if ch := c.Channels["owners"]; ch.From != "dlp@a.example" || len(ch.To) != 2 {
		t.Errorf("%+v", ch)
	}
	if !c.Services["old"].Plain || !c.Egress.Proxy.ByName || len(c.Egress.Hosts) != 2 {
		t.Errorf("%+v", c)
	}
	if _, err := Parse("f", []byte("tenant: {cloud: practice}\nchannels: {soc: {kind: teams}, siem: {kind: webhook}, owners: {kind: email}}\nservices: {tickets: {}}\n")); err != nil {
		t.Errorf("the practice tenant's own: %v", err)
	}
}

func TestMistakesOutside(t *testing.T) {
	for text, want := range map[string]string{
		"egress: {hosts: [\"https://a.example\"]}\n":                                                          "f:1:18: egress.hosts: \"https://a.example\" is no host",
		"egress: {networks: [10.0.0.1/8]}\n":                                                                  "f:1:21: egress.networks: \"10.0.0.1/8\" is no network",
		"egress: {proxy: {except: [\"*\"], address: \"http://p:1\"}}\n":                                       "egress.proxy.except: \"*\" is no host",
		"egress: {proxy: {by_name: true}}\n":                                                                  "egress.proxy.address is missing",
		"egress: {proxy: {address: \"http://u:hunter22@p:1\"}}\n":                                             "egress.proxy.address must be",
		"egress: {proxy: {address: \"http://p:1\", user: u}}\n":                                               "a user needs a password",
		"egress: {allow: [a]}\n":                                                                              `unknown key "allow" in egress`,
		"services: {Tickets: {base: \"https://a.example\"}}\n":                                                `"Tickets" is no name`,
		"services: {a: {auth: {kind: bearer, secret: {env: A}}}}\n":                                           "services.a.base is missing",
		"services: {a: {base: \"http://a.example\"}}\n":                                                       "services.a.base must begin with https://",
		"services: {a: {base: \"https://u:hunter22@a.example\"}}\n":                                           "services.a.base must be https://host",
		"services: {a: {base: \"https://a.example\", auth: {kind: oauth}}}\n":                                 "services.a.auth.kind must be one of bearer, basic, header, query",
		"services: {a: {base: \"https://a.example\", auth: {kind: bearer}}}\n":                                "services.a.auth.secret is missing: bearer needs it",
		"services: {a: {base: \"https://a.example\", auth: {kind: header, secret: {env: A}}}}\n":              "services.a.auth.name is missing: header needs it",
		"services: {a: {base: \"https://a.example\", auth: {kind: bearer, user: u, secret: {env: A}}}}\n":     "services.a.auth.user means nothing for bearer",
		"services: {a: {base: \"https://a.example\", auth: {kind: header, name: 'a b', secret: {env: A}}}}\n": "is no name of a header",
		"services: {a: {base: \"https://a.example\", auth: {kind: bearer, secret: hunter22hunter22}}}\n":      "services.a.auth.secret must be keys with values, not one text",
		"services: {a: {base: \"https://a.example\", auth: {kind: bearer, secret: {env: A, file: b}}}}\n":     "names both env and file",
		"channels: {soc: {url: {env: A}}}\n":                                                                  "channels.soc.kind is missing",
		"channels: {soc: {kind: team, url: {env: A}}}\n":                                                      `channels.soc.kind must be one of teams, slack, webhook, email, not "team"`,
		"channels: {soc: {kind: teams}}\n":                                                                    "channels.soc.url is missing",
		"channels: {soc: {kind: teams, url: \"https://hunter22.example/sig\"}}\n":                             "channels.soc.url must be keys with values",
		"channels: {soc: {kind: webhook, url: {env: A}}}\n":                                                   "channels.soc.key is missing: a webhook is signed",
		"channels: {soc: {kind: slack, url: {env: A}, key: {env: B}}}\n":                                      "channels.soc.key means nothing for slack",
		"channels: {soc: {kind: slack, url: {env: A}, from: a@b.example}}\n":                                  "channels.soc.from means nothing for slack",
		"channels: {soc: {kind: teams, url: {env: A}, to: [a@b.example]}}\n":                                  "channels.soc.to means nothing for teams",
		"channels: {soc: {kind: email}}\n":                                                                    "channels.soc.from is missing",
		"channels: {soc: {kind: email, from: Ann <a@b.example>}}\n":                                           "channels.soc.from: \"Ann <a@b.example>\" is no address",
		"channels: {soc: {kind: email, from: a@b.example, to: [nobody]}}\n":                                   "f:1:55: channels.soc.to: \"nobody\" is no address",
		"channels: {soc: {kind: email, from: a@b.example, url: {env: A}}}\n":                                  "channels.soc.url means nothing for email",
	} {
		_, err := Parse("f", []byte(text))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s got\n%v\nwant it to say\n%s", text, err, want)
		}
	}
}
