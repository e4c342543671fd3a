//! Why somebody may not come in: what the device is told, and what the operator reads.

use crate::users::Closed;

/// Why somebody may not come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Denial {
    UnknownUser,
    UnknownCertificate,
    WrongPassword,
    /// The account has an NT hash, which what the client shows cannot be compared with.
    OnlyHash,
    /// The account has no password at all.
    OnlyCertificate,
    Disabled,
    Expired,
    Hours,
    PasswordExpired,
    /// Somebody is to have a new password, but not that one.
    NewPassword,
    QuotaUsedUp,
    /// It has as many sessions as it may have, and the oldest is not to end.
    TooManySessions,
}

impl From<Closed> for Denial {
    fn from(closed: Closed) -> Self {
        match closed {
            Closed::Disabled => Self::Disabled,
            Closed::Expired => Self::Expired,
            Closed::Hours => Self::Hours,
        }
    }
}

impl Denial {
    /// What the device shows, RFC 2759 §6; 708 is Windows' own.
    pub(super) const fn code(self) -> u16 {
        match self {
            Self::UnknownUser
            | Self::UnknownCertificate
            | Self::WrongPassword
            | Self::OnlyHash
            | Self::OnlyCertificate => 691,
            Self::Disabled => 647,
            Self::Expired => 708,
            Self::Hours => 646,
            Self::PasswordExpired => 648,
            Self::NewPassword => 709,
            // The nearest that there is: no permission to dial in.
            Self::QuotaUsedUp | Self::TooManySessions => 649,
        }
    }

    /// What the client is told. A stranger does not learn whether it was the name or the password.
    pub(super) const fn message(self) -> &'static str {
        match self {
            Self::UnknownUser
            | Self::UnknownCertificate
            | Self::WrongPassword
            | Self::OnlyHash
            | Self::OnlyCertificate => "wrong user name or password",
            Self::Disabled => "this account is disabled",
            Self::Expired => "this account has expired",
            Self::Hours => "this account may not be used at this hour",
            Self::PasswordExpired => "this password has expired",
            Self::NewPassword => "the new password must not be empty, nor the old one",
            Self::QuotaUsedUp => "this account's quota is used up",
            Self::TooManySessions => "this account is in use on as many devices as it may be",
        }
    }

    /// Cause, what the user sees, and remedy, for the operator.
    pub(super) const fn cause(self) -> &'static str {
        match self {
            Self::UnknownUser => {
                "no such user; Windows shows 691, phones ask for the password again; add the user to the users file"
            }
            Self::UnknownCertificate => {
                "no user is called as the certificate says; Windows shows 691; name a user after one of these, in full, or give it to one as `certificate`, in the users file"
            }
            Self::OnlyCertificate => {
                "the account has only a certificate, and no password; Windows shows 691; allow EAP-TLS on the device, or give the user a password in the users file"
            }
            Self::WrongPassword => {
                "wrong password; Windows shows 691, phones ask for it again; type it anew there or set it in the users file"
            }
            Self::OnlyHash => {
                "the account has only an nt_hash, and MD5 needs the password itself; Windows shows 691, phones ask for the password again; allow MS-CHAPv2 on the device, or give the user a `password` in the users file"
            }
            Self::Disabled => {
                "the account is disabled; Windows shows 647; remove `disabled` in the users file"
            }
            Self::Expired => "the account has expired; Windows shows 708; move `expires` in the users file",
            Self::Hours => {
                "the account may not be used at this hour; Windows shows 646; widen `hours` in the users file"
            }
            Self::PasswordExpired => {
                "the password has expired; Windows shows 648 or, as Apple devices do, asks for another one; choose one there, or run `adit user passwd`"
            }
            Self::NewPassword => {
                "the new password is empty or the old one; Windows shows 709; choose another one there, or run `adit user passwd`"
            }
            Self::QuotaUsedUp => {
                "the quota is used up; Windows shows 649; wait for the next period, or raise `quota` in the users file"
            }
            Self::TooManySessions => {
                "it has as many sessions as it may have; Windows shows 649; disconnect a device, raise `sessions` in the users file, or set `when_full: replace`"
            }
        }
    }
}
