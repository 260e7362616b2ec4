package main

import (
	"fmt"
	"net/http"
	"strings"

	"stanch/cmd/stanch/internal/config"
	"stanch/connectors"
	"stanch/connectors/egress"
	"stanch/connectors/practice"
	"stanch/connectors/web"
)

// webOf makes the client of what is not Microsoft's, as the operator's file
// says. Secrets that are not there are told at once.
func webOf(c *config.Config, cloud connectors.Cloud) (*web.Client, error) {
	o := web.Options{
		Policy: egress.Policy{Hosts: c.Egress.Hosts, Networks: c.Egress.Networks}, Direct: c.Egress.Proxy.Except,
		Services: map[string]web.Service{}, Channels: map[string]web.Channel{},
	}
	beside := "" // where the practice tenant is
	if c.Tenant.Cloud == config.Practice {
		beside, o.CA = cloud.Login, cloud.CA
	}
	var err error
	if c.Egress.Proxy.Address != "" {
		if o.Proxy, err = proxyOf(c.Egress.Proxy); err != nil {
			return nil, fmt.Errorf("egress.proxy: %w", err)
		}
	}
	for name, s := range c.Services {
		if s.Base == "" && beside != "" {
			o.Services[name] = practiceDesk(beside, cloud.CA)
		} else if o.Services[name], err = serviceOf(s); err != nil {
			return nil, fmt.Errorf("services.%s: %w", name, err)
		}
	}
	for name, ch := range c.Channels {
		if ch.URL.Empty() && ch.From == "" && beside != "" {
			own := practiceChannel(beside, web.Kind(ch.Kind), name)
			if len(ch.To) > 0 {
				own.To = ch.To
			}
			o.Channels[name] = own
		} else if o.Channels[name], err = channelOf(ch); err != nil {
			return nil, fmt.Errorf("channels.%s: %w", name, err)
		}
	}
	return web.New(o)
}

func proxyOf(p config.EgressProxy) (*egress.Proxy, error) {
	ca, err := pemOf(p.CA)
	if err != nil {
		return nil, err
	}
	out, err := web.Proxy(p.Address, ca)
	if err != nil {
		return nil, err
	}
	if out.ByName, out.User = p.ByName, p.User; p.User == "" {
		return out, nil
	}
	secret, err := p.Password.Read()
	out.Password = func() string { return string(secret) }
	return out, err
}

func serviceOf(s config.Service) (web.Service, error) {
	out := web.Service{Base: s.Base, Plain: s.Plain, Auth: web.Auth{Kind: web.AuthKind(s.Auth.Kind), Name: s.Auth.Name, User: s.Auth.User}}
	var err error
	if out.CA, err = pemOf(s.CA); err != nil {
		return out, err
	}
	if !s.Auth.Secret.Empty() {
		if out.Auth.Secret, err = s.Auth.Secret.Read(); err != nil {
			return out, fmt.Errorf("auth.secret: %w", err)
		}
	}
	return out, nil
}

func channelOf(c config.Channel) (web.Channel, error) {
	out := web.Channel{Kind: web.Kind(c.Kind), From: c.From, To: c.To}
	if out.Kind == web.Email {
		return out, nil
	}
	var err error
	if out.URL, err = c.URL.Read(); err != nil {
		return out, fmt.Errorf("url: %w", err)
	}
	if !c.Key.Empty() {
		if out.Key, err = c.Key.Read(); err != nil {
			return out, fmt.Errorf("key: %w", err)
		}
	}
	return out, nil
}

func pemOf(path string) ([]byte, error) {
	if path == "" {
		return nil, nil
	}
	ca, err := readFile(path, maxPEM)
	if err != nil {
		return nil, fmt.Errorf("ca: %w", err)
	}
	return ca, nil
}

// practiceDesk is the practice tenant's desk for tickets.
func practiceDesk(at string, ca []byte) web.Service {
	return web.Service{
		Base: strings.TrimRight(at, "/") + "/desk", CA: ca,
		Auth: web.Auth{Kind: web.Bearer, Secret: practice.DeskToken},
	}
}

// practiceChannel is one of the practice tenant's channels; its mail is between
// its officers.
func practiceChannel(at string, kind web.Kind, name string) web.Channel {
	path := practice.TeamsPath(name)
	switch kind {
	case web.Email:
		return web.Channel{Kind: kind, From: "dana.officer@" + practice.ContosoDomain, To: []string{"omar.officer@" + practice.ContosoDomain}}
	case web.Slack:
		path = practice.SlackPath(name)
	case web.Webhook:
		path = practice.WebhookPath(name)
	}
	return web.Channel{Kind: kind, URL: connectors.Secret(strings.TrimRight(at, "/") + path), Key: practice.WebhookKey}
}

// rehearsalWeb is what is not Microsoft's in a rehearsal: every service is the
// practice tenant's desk and every channel one of its own. Nothing goes over a
// socket.
func rehearsalWeb(cfg *config.Config, handler http.Handler) (*web.Client, error) {
	const at = "https://practice.invalid"
	o := web.Options{
		Policy: egress.Policy{Hosts: cfg.Egress.Hosts, Networks: cfg.Egress.Networks}, Handler: handler,
		Services: map[string]web.Service{}, Channels: map[string]web.Channel{},
	}
	for name := range cfg.Services {
		o.Services[name] = practiceDesk(at, nil)
	}
	for name, ch := range cfg.Channels {
		o.Channels[name] = practiceChannel(at, web.Kind(ch.Kind), name)
	}
	if cfg.File == "" {
		o.Else = func(kind web.Kind, name string) web.Channel { return practiceChannel(at, kind, name) }
	}
	return web.New(o)
}
