"""The ACME server of RFC 8555: JWS, nonces, accounts, orders, authorizations, challenges, finalize."""
