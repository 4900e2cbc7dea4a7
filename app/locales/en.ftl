# What Latchkey says to people, in English.
#
# The other languages have a file each beside this one, with the same names: a test fails when one
# is missing. https://projectfluent.org/fluent/guide says how texts are written.

## The language itself

# What its own readers call it.
language-name = English
# ltr, or rtl for one that is written from right to left.
language-direction = ltr

## Around every page

page-title = { $page } · { $service }
page-title-refused = Error: { $page }
skip-to-content = Skip to the content
preferences = Language and colours
language = Language
theme = Colours
theme-system = Automatic
theme-light = Light
theme-dark = Dark
step = Step { $step } of { $steps }

## Parts of forms

show = Show
hide = Hide
show-password = Show password
hide-password = Hide password
error-summary = Please check what you entered
unreachable = The server could not be reached. Check your connection and try again: nothing you typed is lost.
caps-lock = Caps Lock is on.
did-you-mean = Did you mean
strength-weak = Easy to guess: add another word.
strength-fair = Could be stronger: longer is better.
strength-good = A good password.
strength-strong = A strong password.
email = E-mail address
password = Password

## What is wrong with a field

email-empty = Enter your e-mail address.
email-malformed = Enter an e-mail address in the form name@example.com.
email-not-one = Enter one e-mail address only, without commas, spaces or line breaks.
email-too-long = This e-mail address is too long: 64 characters before the @ and 254 in all are allowed.
email-not-ascii = Letters before the @ must be plain a to z: mail to other scripts cannot be delivered yet.
email-domain = The part after the @ is not a domain that mail can be sent to.
password-empty = Choose a password.
password-too-short = Choose a password of at least { $min } characters.
password-too-long = Choose a shorter password: up to 1,024 characters fit, fewer where they are not plain letters.
password-control = Choose a password without line breaks, tabs or other control characters.
password-own-address = Choose another password: this one is your e-mail address, or the part before its @.
password-service-name = Choose another password: this one is the name of this service.
password-common = Choose another password: this is one of the most common ones, which are tried first.
password-guessable = Choose a password that is harder to guess, for example by adding another word.
password-needed = Enter the password that you chose when you signed up.
code-empty = Enter the code from the mail.
code-malformed = Enter the code as 4 to 8 digits, as it stands in the mail.

## The start

home-title = Sign up
home-description = Sign up with an e-mail address that is yours: a code that we mail you proves it.
home-heading = Sign up with an address that is yours
home-register = Create an account
home-login = Sign in
home-verify = I have a code
home-step-1 = Say who you are
home-step-1-what = An e-mail address and a password, nothing else.
home-step-2 = Read your mail
home-step-2-what = It brings a short code that works once.
home-step-3 = Type the code
home-step-3-what = That is all: your account is there.

## Signing up

register-title = Create an account
register-description = Create an account with your e-mail address and a password.
register-email-hint = We send a code there to make sure that it is yours.
register-password-hint = At least { $min } characters. A few words work well.
register-submit = Create account
register-submitting = Creating account …
register-legal-lead = Before you sign up, read
register-terms = the terms
register-and = and
register-privacy = the privacy notice
register-have-code-lead = Already have a code?
register-have-code = Enter it
register-have-account-lead = Already have an account?
register-have-account = Sign in

## The code

verify-title = Enter your code
verify-description = Enter the code from the mail to finish signing up.
verify-code = Verification code
verify-digits = { $digits } digits, as they stand in the mail.
verify-submit = Verify
verify-submitting = Verifying …
verify-mailbox-lead = Development:
verify-mailbox = open the mailbox
verify-lead = We are sending a code to
verify-mail = Mail
verify-mail-queued = about to leave
verify-mail-taken = sent, may take a moment to arrive
verify-mail-refused = could not be delivered: check the address
verify-reference = Reference
verify-reference-means = the mail shows it too
verify-time-left = Time left
verify-time-left-then = { $time } when this page was loaded
verify-no-time-left = none
verify-attempts = Attempts left
verify-resend = Send the code again
verify-resend-new = Send a new code
verify-resend-in = { $label } (in { $seconds } s)
verify-resending = Sending …
verify-resent = A mail with the code is on its way.
verify-other-address-lead = Wrong address?
verify-code-sent-by-itself = It is sent by itself once it is complete.
verify-code-about-to-leave = Sending it …
verify-code-wait = Wait
verify-half-a-minute-left = 30 seconds left.
verify-ten-seconds-left = 10 seconds left.
verify-time-is-up = No time left.
correct-email = Right address
correct-submit = Send a code there
correct-submitting = Sending …
correct-keeps-password = Your password stays as it is.
correct-same = This is the address that the code was sent to.
correct-own-address = Your password is this address, or the part before its @. Sign up again with this address and another password.
verify-anywhere-lead = Enter the address and the password that you signed up with, and the code from the mail.
verify-no-code-lead = No code, or a stale one?
verify-no-code = Sign up again
verify-over = The sign-up that this browser began is over.
attempts-left = { $count ->
    [one] { $count } attempt left
   *[other] { $count } attempts left
}

verify-wrong-left = That is not the code in the latest mail. { attempts-left }.
verify-wrong-for-good = That is not the code, and it was the last attempt. Ask for a new code.
verify-stale = This code is stale. Ask for a new one.
verify-stale-but-queued = This code is stale. The mail that is about to leave brings a new one.
verify-undeliverable = The mail could not be delivered. Check the address; if it is wrong, correct it below.
verify-time-begins-later = counts from when the mail is sent
verify-look-again = Look again
verify-stale-anywhere = This code is stale. Sign up again with the same address and password to get a new one.
verify-gone = This sign-up is over. Sign up again to get a new code.
verify-not-the-password = No sign-up has this address and this password. Check both.
verify-already = This account is verified already: there is nothing left to do.

## Whoever did not sign up

not-me-ask = Was this not you?
not-me-ask-lead = Somebody signed up with your address:
not-me-what = If that was not you, you can stop it. No code will open this sign-up any more, and for a day no mail comes to you from where it was made. An account that you have is not touched.
not-me-stop = It was not me: stop it
not-me-ignore = If it was you, close this page: nothing has happened.
not-me-done = It is stopped
not-me-done-lead = No code opens that sign-up any more, and for a day no mail comes to you from where it was made. You can close this page.
not-me-stale = There is nothing to stop
not-me-stale-lead = This link has been used, or its sign-up is over. There is nothing for you to do.

## Signing in and out

login-title = Sign in
login-description = Sign in with your e-mail address and your password.
login-submit = Sign in
login-submitting = Signing in …
login-password-needed = Enter your password.
login-refused = No account has this address and this password. Check both.
login-no-account-lead = No account yet?
login-no-account = Create one
login-signed-out = You are signed out.
login-needed = Sign in to go on. If you have just done so, your browser refuses cookies: allow them for this site.
login-verified = This address is verified already. Sign in with its password.
welcome-title = Welcome
welcome-lead = The address is yours, and your account is there.
welcome-address = Address
welcome-since = Verified
welcome-go-on = Go on
welcome-sign-out = Sign out

# A moment, in UTC.
moment = { $day } { month } { $year } at { $hour }:{ $minute } UTC
month = { $month ->
    [1] January
    [2] February
    [3] March
    [4] April
    [5] May
    [6] June
    [7] July
    [8] August
    [9] September
    [10] October
    [11] November
   *[12] December
}

## What did not work

error-status = Status
error-reference = Reference
error-home = Back to the start
error-again = Try again
error-title-not-found = Page not found
error-title-rate-limited = Too many attempts
error-title-unavailable = Not right now
error-title-internal = Something went wrong
error-title-cross-site = Sent from another site
error-title-too-large = Too large
error-title-too-slow = Too slow
error-title-other = That did not work
error-not-found = There is nothing at this address. Check it, or begin at the start.
error-method = This method is not allowed here: the Allow header names those that are.
error-request-too-large = The request is too large: 64 KiB are allowed.
error-bad-request = The request could not be understood.
error-host = The request needs one Host header field.
error-uri-too-long = The address of this request is too long: 8 KiB are allowed.
error-headers-too-large = The header fields of this request are too large: 16 KiB are allowed.
error-took-too-long = This took too long here. Please try again in a moment.
error-store = The service cannot reach its store. Please try again in a moment: sending the same twice does no harm.
error-unavailable = The service is busy or being worked on. Nothing was recorded; please try again in a moment.
error-session = Your browser's session could not be read or written. Please try again in a moment.
error-internal = Something went wrong here, not with what you sent. Please try again later.
error-internal-quote = { error-internal } If you ask for help, quote this reference: { $reference }.
error-cross-site = This form was sent from another site. Open this site and fill the form in there.
error-not-a-form = Send the fields as a form: Content-Type: { $type }.
error-form-too-large = The form is too large: 64 KiB are allowed.
error-form-cut = The form did not arrive whole.
error-form-slow = The form took too long to arrive.
error-form-encoding = The form is not percent-encoded UTF-8: write % as %25 (curl --data-urlencode does it).
error-field-twice = The field { $field } is there twice: send it once.
error-field-missing = The field { $field } is missing.
error-email-taken = This address has an account already. Use another address, or sign in.
error-unauthorized = Authenticate with the address and password that you registered.
error-not-verified = This sign-up is not verified yet. Enter the code from the mail.
error-already-verified = This account is verified already.
error-code-stale = The verification code is stale. Please retry calling /register to get a new code.
error-link-stale = This link is used up, or its sign-up is over: there is nothing left to stop.
error-code-wrong = The verification code is wrong.
error-no-sign-up = This browser has no sign-up under way. Please sign up first.
error-sign-up-over = This sign-up is over. Please sign up again.
error-other-sign-up = This browser has begun another sign-up since. Open this page again to go on with that one.
error-relay-away = The relay has taken no mail for { $minutes } minutes: look at the log.
error-store-lost = The process ends, to begin again with what is on disk: { $reason }
error-store-unreachable = The database server cannot be reached, and is tried again and again: { $reason }
error-store-away = The store does not take writes: look at the log.

## When it was too much

wait = { $unit ->
    [second] { $count ->
        [one] { $count } second
       *[other] { $count } seconds
    }
    [minute] { $count ->
        [one] { $count } minute
       *[other] { $count } minutes
    }
   *[hour] { $count ->
        [one] { $count } hour
       *[other] { $count } hours
    }
}
limited-sign-ups = Too many sign-ups came from your network. Please try again in { wait }.
limited-mails = Too many mails were asked for from your network. Please try again in { wait }.
limited-failed-passwords = Too many wrong passwords came from your network. Please try again in { wait }.
limited-address-mails = Too many mails were sent to this address. Please try again in { wait }.
limited-all-sign-ups = Very many people are signing up right now. Please try again in { wait }.
limited-sign-ins = Too many sign-ins with this address. Please try again in { wait }.
limited-cooldown = A mail was asked for a moment ago. Please wait { wait }.
