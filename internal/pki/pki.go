// Package pki makes certificate authorities, the certificates that they sign, and signing keys, as PEM bytes.
//
// It owns the choice of algorithm (ECDSA P-256: making an RSA key costs about 100 times the CPU, which adds up over
// thousands of control planes) and of the extensions that Kubernetes and etcd look at. It never reads a clock, touches a
// file or talks to a server: callers say what "now" is and where the bytes go.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// clockSkew is how far before "now" a certificate begins to be valid, so that a peer whose clock is a little behind takes it.
const clockSkew = 5 * time.Minute

// Pair is a certificate with its private key, both PEM.
type Pair struct {
	Cert []byte
	Key  []byte
}

// Authority signs certificates. Its pair is what has to be kept.
type Authority struct {
	Pair
	cert *x509.Certificate
	key  crypto.Signer
}

// NewAuthority makes a self-signed authority that is valid for the given time from now.
func NewAuthority(commonName string, now time.Time, validity time.Duration) (*Authority, error) {
	template, err := newTemplate(pkix.Name{CommonName: commonName}, now, validity)
	if err != nil {
		return nil, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage = x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign
	pair, err := sign(template, nil)
	if err != nil {
		return nil, fmt.Errorf("making authority %q: %w", commonName, err)
	}
	return ParseAuthority(pair)
}

// ParseAuthority reads an authority that NewAuthority made.
func ParseAuthority(pair Pair) (*Authority, error) {
	certs, err := cert.ParseCertsPEM(pair.Cert)
	if err != nil {
		return nil, fmt.Errorf("parsing authority certificate: %w", err)
	}
	if !certs[0].IsCA {
		return nil, fmt.Errorf("certificate %q is not an authority", certs[0].Subject)
	}
	parsed, err := keyutil.ParsePrivateKeyPEM(pair.Key)
	if err != nil {
		return nil, fmt.Errorf("parsing authority key: %w", err)
	}
	key, ok := parsed.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("authority key of type %T cannot sign", parsed)
	}
	return &Authority{Pair: pair, cert: certs[0], key: key}, nil
}

// Validity is from when until when the authority holds.
func (a *Authority) Validity() (from, to time.Time) { return a.cert.NotBefore, a.cert.NotAfter }

// Request says what a certificate is for.
type Request struct {
	CommonName    string
	Organizations []string      // Kubernetes reads them as groups
	Hosts         []string      // DNS names and IP addresses; they make it a server certificate
	Client        bool          // may prove the identity CommonName to a server
	Validity      time.Duration // from now
}

// Issue signs a certificate with a new key.
func (a *Authority) Issue(r Request, now time.Time) (Pair, error) {
	if len(r.Hosts) == 0 && !r.Client {
		return Pair{}, fmt.Errorf("certificate %q is neither for a server (no hosts) nor for a client", r.CommonName)
	}
	template, err := newTemplate(pkix.Name{CommonName: r.CommonName, Organization: r.Organizations}, now, r.Validity)
	if err != nil {
		return Pair{}, err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	if r.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	if len(r.Hosts) > 0 {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	addHosts(template, r.Hosts)
	pair, err := sign(template, a)
	if err != nil {
		return Pair{}, fmt.Errorf("issuing certificate %q: %w", r.CommonName, err)
	}
	return pair, nil
}

func addHosts(template *x509.Certificate, hosts []string) {
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
}

// Check returns an error if the certificate was not signed by the authority or does not hold at the given time.
func (a *Authority) Check(certificate []byte, at time.Time) error {
	certs, err := cert.ParseCertsPEM(certificate)
	if err != nil {
		return fmt.Errorf("parsing certificate: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(a.cert)
	_, err = certs[0].Verify(x509.VerifyOptions{Roots: roots, CurrentTime: at, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}})
	return err
}

// NewSigningKey makes a key pair that signs and checks service-account tokens: Key is the private half, Cert the public one.
func NewSigningKey() (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, fmt.Errorf("making signing key: %w", err)
	}
	private, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return Pair{}, fmt.Errorf("encoding signing key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return Pair{}, fmt.Errorf("encoding public key: %w", err)
	}
	return Pair{Key: private, Cert: pem.EncodeToMemory(&pem.Block{Type: keyutil.PublicKeyBlockType, Bytes: public})}, nil
}

func newTemplate(subject pkix.Name, now time.Time, validity time.Duration) (*x509.Certificate, error) {
	if validity <= 0 {
		return nil, errors.New("a certificate needs a validity above zero")
	}
	// RFC 5280, 4.1.2.2: a serial number is positive, unique for its issuer and at most 20 octets long.
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      subject,
		NotBefore:    now.Add(-clockSkew).UTC(),
		NotAfter:     now.Add(validity).UTC(),
	}, nil
}

// sign makes a key for the template and signs it with the authority, or with the new key itself when there is none.
func sign(template *x509.Certificate, by *Authority) (Pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return Pair{}, err
	}
	parent, signer := template, crypto.Signer(key)
	if by != nil {
		parent, signer = by.cert, by.key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		return Pair{}, err
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return Pair{}, err
	}
	return Pair{Cert: pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: der}), Key: keyPEM}, nil
}
