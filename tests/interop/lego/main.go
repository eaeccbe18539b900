// lego's library with its provider acme-dns, which is what lego releases and Traefik run, without the hundred others.
//
//	lego DIRECTORY RESOLVER CHAIN NAME,NAME... [renew]
//
// With renew it asks when it should renew what it got, tells that, and does it at once.
//
// The account comes from what ACME_DNS_* say, the roots from LEGO_CA_CERTIFICATES and SSL_CERT_FILE.
package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/go-acme/lego/v4/certcrypto"
	"github.com/go-acme/lego/v4/certificate"
	"github.com/go-acme/lego/v4/challenge/dns01"
	"github.com/go-acme/lego/v4/lego"
	"github.com/go-acme/lego/v4/providers/dns/acmedns"
	"github.com/go-acme/lego/v4/registration"
)

type user struct {
	key crypto.PrivateKey
	reg *registration.Resource
}

func (u *user) GetEmail() string                        { return "hostmaster@lab.test" }
func (u *user) GetRegistration() *registration.Resource { return u.reg }
func (u *user) GetPrivateKey() crypto.PrivateKey        { return u.key }

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func main() {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	fail(err)
	u := &user{key: key}
	config := lego.NewConfig(u)
	config.CADirURL = os.Args[1]
	config.Certificate.KeyType = certcrypto.EC256
	client, err := lego.NewClient(config)
	fail(err)
	provider, err := acmedns.NewDNSProvider()
	fail(err)
	fail(client.Challenge.SetDNS01Provider(provider,
		dns01.AddRecursiveNameservers([]string{os.Args[2]}),
		dns01.AddDNSTimeout(5*time.Second),
		dns01.DisableAuthoritativeNssPropagationRequirement()))
	u.reg, err = client.Registration.Register(registration.RegisterOptions{TermsOfServiceAgreed: true})
	fail(err)
	got, err := client.Certificate.Obtain(certificate.ObtainRequest{Domains: strings.Split(os.Args[4], ","), Bundle: true})
	fail(err)
	if len(os.Args) > 5 {
		got = renewed(client, got, strings.Split(os.Args[4], ","))
	}
	fail(os.WriteFile(os.Args[3], got.Certificate, 0o600))
}

func renewed(client *lego.Client, old *certificate.Resource, names []string) *certificate.Resource {
	leaf, err := certcrypto.ParsePEMCertificate(old.Certificate)
	fail(err)
	info, err := client.Certificate.GetRenewalInfo(certificate.RenewalInfoRequest{Cert: leaf})
	fail(err)
	name, err := certificate.MakeARICertID(leaf)
	fail(err)
	fmt.Println(name, info.SuggestedWindow.Start.Unix(), info.SuggestedWindow.End.Unix(), info.RetryAfter)
	got, err := client.Certificate.Obtain(certificate.ObtainRequest{Domains: names, Bundle: true, ReplacesCertID: name})
	fail(err)
	return got
}
