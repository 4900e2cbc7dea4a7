# Ce que Latchkey dit aux gens, en français.

## The language itself

language-name = Français
language-direction = ltr

## Around every page

page-title = { $page } · { $service }
page-title-refused = Erreur : { $page }
skip-to-content = Aller au contenu
preferences = Langue et couleurs
language = Langue
theme = Couleurs
theme-system = Automatiques
theme-light = Claires
theme-dark = Sombres
step = Étape { $step } sur { $steps }

## Parts of forms

show = Afficher
hide = Masquer
show-password = Afficher le mot de passe
hide-password = Masquer le mot de passe
error-summary = Vérifiez ce que vous avez saisi
unreachable = Le serveur est injoignable. Vérifiez votre connexion et réessayez : rien de ce que vous avez saisi n’est perdu.
caps-lock = Le verrouillage des majuscules est activé.
did-you-mean = Vouliez-vous dire
strength-weak = Facile à deviner : ajoutez un autre mot.
strength-fair = Pourrait être plus sûr : plus long, c’est mieux.
strength-good = Bon mot de passe.
strength-strong = Mot de passe sûr.
email = Adresse e-mail
password = Mot de passe

## What is wrong with a field

email-empty = Saisissez votre adresse e-mail.
email-malformed = Saisissez une adresse e-mail de la forme nom@example.com.
email-not-one = Saisissez une seule adresse e-mail, sans virgule, espace ni retour à la ligne.
email-too-long = Cette adresse e-mail est trop longue : 64 caractères avant le @ et 254 en tout sont permis.
email-not-ascii = Avant le @, seules les lettres simples de a à z sont permises : le courrier vers d’autres écritures ne peut pas encore être distribué.
email-domain = Ce qui suit le @ n’est pas un domaine auquel on peut écrire.
password-empty = Choisissez un mot de passe.
password-too-short = Choisissez un mot de passe d’au moins { $min } caractères.
password-too-long = Choisissez un mot de passe plus court : 1 024 caractères au plus, moins s’ils ne sont pas de simples lettres.
password-control = Choisissez un mot de passe sans retour à la ligne, tabulation ni autre caractère de contrôle.
password-own-address = Choisissez un autre mot de passe : celui-ci est votre adresse e-mail, ou ce qui précède son @.
password-service-name = Choisissez un autre mot de passe : celui-ci est le nom de ce service.
password-common = Choisissez un autre mot de passe : celui-ci est l’un des plus courants, qui sont essayés en premier.
password-guessable = Choisissez un mot de passe plus difficile à deviner, par exemple en ajoutant un mot.
password-needed = Saisissez le mot de passe choisi à l’inscription.
code-empty = Saisissez le code reçu par e-mail.
code-malformed = Saisissez le code de 4 à 8 chiffres, tel qu’il figure dans l’e-mail.

## The start

home-title = S’inscrire
home-description = Inscrivez-vous avec une adresse e-mail qui est la vôtre : un code que nous vous envoyons le prouve.
home-heading = Inscrivez-vous avec une adresse qui est la vôtre
home-register = Créer un compte
home-login = Se connecter
home-verify = J’ai un code
home-step-1 = Dites qui vous êtes
home-step-1-what = Une adresse e-mail et un mot de passe, rien d’autre.
home-step-2 = Lisez votre courrier
home-step-2-what = Il apporte un code court qui ne sert qu’une fois.
home-step-3 = Saisissez le code
home-step-3-what = C’est tout : votre compte est prêt.

## Signing up

register-title = Créer un compte
register-description = Créez un compte avec votre adresse e-mail et un mot de passe.
register-email-hint = Nous y envoyons un code pour vérifier qu’elle est bien à vous.
register-password-hint = Au moins { $min } caractères. Quelques mots conviennent bien.
register-submit = Créer le compte
register-submitting = Création du compte…
register-legal-lead = Avant de vous inscrire, lisez
register-terms = les conditions
register-and = et
register-privacy = la politique de confidentialité
register-have-code-lead = Vous avez déjà un code ?
register-have-code = Saisissez-le
register-have-account-lead = Vous avez déjà un compte ?
register-have-account = Connectez-vous

## The code

verify-title = Saisissez votre code
verify-description = Saisissez le code reçu par e-mail pour terminer l’inscription.
verify-code = Code de vérification
verify-digits = { $digits } chiffres, tels qu’ils figurent dans l’e-mail.
verify-submit = Vérifier
verify-submitting = Vérification…
verify-mailbox-lead = Développement :
verify-mailbox = ouvrir la boîte aux lettres
verify-lead = Nous envoyons un code à
verify-mail = E-mail
verify-mail-queued = sur le point de partir
verify-mail-taken = envoyé, peut mettre un moment à arriver
verify-mail-refused = n’a pas pu être distribué : vérifiez l’adresse
verify-reference = Référence
verify-reference-means = elle figure aussi dans l’e-mail
verify-time-left = Temps restant
verify-time-left-then = { $time } au chargement de cette page
verify-no-time-left = aucun
verify-attempts = Essais restants
verify-resend = Renvoyer le code
verify-resend-new = Envoyer un nouveau code
verify-resend-in = { $label } (dans { $seconds } s)
verify-resending = Envoi…
verify-resent = Un e-mail avec le code est en route.
verify-other-address-lead = Mauvaise adresse ?
verify-code-sent-by-itself = Il est envoyé de lui-même dès qu’il est complet.
verify-code-about-to-leave = Envoi…
verify-code-wait = Attendre
verify-half-a-minute-left = Il reste 30 secondes.
verify-ten-seconds-left = Il reste 10 secondes.
verify-time-is-up = Il ne reste plus de temps.
correct-email = Bonne adresse
correct-submit = Y envoyer un code
correct-submitting = Envoi…
correct-keeps-password = Votre mot de passe reste le même.
correct-same = C’est l’adresse à laquelle le code a été envoyé.
correct-own-address = Votre mot de passe est cette adresse, ou ce qui précède son @. Inscrivez-vous de nouveau avec cette adresse et un autre mot de passe.
verify-anywhere-lead = Saisissez l’adresse et le mot de passe de votre inscription, et le code reçu par e-mail.
verify-no-code-lead = Pas de code, ou un code périmé ?
verify-no-code = Inscrivez-vous de nouveau
verify-over = L’inscription commencée dans ce navigateur est terminée.
attempts-left = { $count ->
    [one] { $count } essai restant
   *[other] { $count } essais restants
}

verify-wrong-left = Ce n’est pas le code du dernier e-mail. { attempts-left }.
verify-wrong-for-good = Ce n’est pas le code, et c’était le dernier essai. Demandez un nouveau code.
verify-stale = Ce code est périmé. Demandez-en un nouveau.
verify-stale-but-queued = Ce code est périmé. L’e-mail qui est sur le point de partir en apporte un nouveau.
verify-undeliverable = L’e-mail n’a pas pu être distribué. Vérifiez l’adresse ; si elle est fausse, corrigez-la ci-dessous.
verify-time-begins-later = compte à partir de l’envoi de l’e-mail
verify-look-again = Regarder de nouveau
verify-stale-anywhere = Ce code est périmé. Inscrivez-vous de nouveau avec la même adresse et le même mot de passe pour en recevoir un nouveau.
verify-gone = Cette inscription est terminée. Inscrivez-vous de nouveau pour recevoir un code.
verify-not-the-password = Aucune inscription n’a cette adresse et ce mot de passe. Vérifiez les deux.
verify-already = Ce compte est déjà vérifié : il n’y a plus rien à faire.

## Whoever did not sign up

not-me-ask = Ce n’était pas vous ?
not-me-ask-lead = Quelqu’un s’est inscrit avec votre adresse :
not-me-what = Si ce n’était pas vous, vous pouvez y mettre fin. Aucun code n’ouvrira plus cette inscription, et pendant un jour aucun e-mail ne vous viendra de là où elle a été faite. Si vous avez un compte, il n’est pas touché.
not-me-stop = Ce n’était pas moi : y mettre fin
not-me-ignore = Si c’était vous, fermez cette page : rien ne s’est passé.
not-me-done = C’est arrêté
not-me-done-lead = Aucun code n’ouvre plus cette inscription, et pendant un jour aucun e-mail ne vous viendra de là où elle a été faite. Vous pouvez fermer cette page.
not-me-stale = Il n’y a rien à arrêter
not-me-stale-lead = Ce lien a déjà servi, ou l’inscription est terminée. Vous n’avez rien à faire.

## Signing in and out

login-title = Se connecter
login-description = Connectez-vous avec votre adresse e-mail et votre mot de passe.
login-submit = Se connecter
login-submitting = Connexion…
login-password-needed = Saisissez votre mot de passe.
login-refused = Aucun compte n’a cette adresse et ce mot de passe. Vérifiez les deux.
login-no-account-lead = Pas encore de compte ?
login-no-account = Créez-en un
login-signed-out = Vous êtes déconnecté.
login-needed = Connectez-vous pour continuer. Si vous venez de le faire, votre navigateur refuse les cookies : autorisez-les pour ce site.
login-verified = Cette adresse est déjà vérifiée. Connectez-vous avec son mot de passe.
welcome-title = Bienvenue
welcome-lead = L’adresse est bien à vous, et votre compte est prêt.
welcome-address = Adresse
welcome-since = Vérifiée
welcome-go-on = Continuer
welcome-sign-out = Se déconnecter

moment = le { $day } { month } { $year } à { $hour } h { $minute } UTC
month = { $month ->
    [1] janvier
    [2] février
    [3] mars
    [4] avril
    [5] mai
    [6] juin
    [7] juillet
    [8] août
    [9] septembre
    [10] octobre
    [11] novembre
   *[12] décembre
}

## What did not work

error-status = Statut
error-reference = Référence
error-home = Retour au début
error-again = Réessayer
error-title-not-found = Page introuvable
error-title-rate-limited = Trop d’essais
error-title-unavailable = Pas pour l’instant
error-title-internal = Quelque chose n’a pas marché
error-title-cross-site = Envoyé depuis un autre site
error-title-too-large = Trop volumineux
error-title-too-slow = Trop lent
error-title-other = Cela n’a pas marché
error-not-found = Il n’y a rien à cette adresse. Vérifiez-la, ou reprenez du début.
error-method = Cette méthode n’est pas permise ici : l’en-tête Allow nomme celles qui le sont.
error-request-too-large = La requête est trop volumineuse : 64 Kio sont permis.
error-bad-request = La requête n’a pas pu être comprise.
error-host = La requête doit avoir un seul en-tête Host.
error-uri-too-long = L’adresse de cette requête est trop longue : 8 Kio sont permis.
error-headers-too-large = Les en-têtes de cette requête sont trop volumineux : 16 Kio sont permis.
error-took-too-long = Cela a pris trop de temps ici. Réessayez dans un instant.
error-store = Le service ne peut pas joindre sa base. Réessayez dans un instant : envoyer deux fois la même chose ne fait pas de mal.
error-unavailable = Le service est surchargé ou en maintenance. Rien n’a été enregistré ; réessayez dans un instant.
error-session = La session de votre navigateur n’a pas pu être lue ou écrite. Réessayez dans un instant.
error-internal = Quelque chose n’a pas marché ici, et non dans ce que vous avez envoyé. Réessayez plus tard.
error-internal-quote = { error-internal } Si vous demandez de l’aide, citez cette référence : { $reference }.
error-cross-site = Ce formulaire a été envoyé depuis un autre site. Ouvrez ce site et remplissez-le ici.
error-not-a-form = Envoyez les champs comme un formulaire : Content-Type: { $type }.
error-form-too-large = Le formulaire est trop volumineux : 64 Kio sont permis.
error-form-cut = Le formulaire n’est pas arrivé en entier.
error-form-slow = Le formulaire a mis trop de temps à arriver.
error-form-encoding = Le formulaire n’est pas de l’UTF-8 encodé en pourcentages : écrivez % comme %25 (curl --data-urlencode le fait).
error-field-twice = Le champ { $field } est là deux fois : envoyez-le une fois.
error-field-missing = Il manque le champ { $field }.
error-email-taken = Cette adresse a déjà un compte. Utilisez une autre adresse, ou connectez-vous.
error-unauthorized = Authentifiez-vous avec l’adresse et le mot de passe de votre inscription.
error-not-verified = Cette inscription n’est pas encore vérifiée. Saisissez le code reçu par e-mail.
error-already-verified = Ce compte est déjà vérifié.
error-code-stale = Le code de vérification est périmé. Appelez de nouveau /register pour en recevoir un.
error-link-stale = Ce lien a déjà servi, ou l’inscription est terminée : il n’y a plus rien à arrêter.
error-code-wrong = Le code de vérification est faux.
error-no-sign-up = Ce navigateur n’a pas d’inscription en cours. Inscrivez-vous d’abord.
error-sign-up-over = Cette inscription est terminée. Inscrivez-vous de nouveau.
error-other-sign-up = Ce navigateur a commencé une autre inscription depuis. Rouvrez cette page pour continuer celle-là.
error-relay-away = Le relais n’a pris aucun e-mail depuis { $minutes } minutes : voyez le journal.
error-store-lost = Le processus s’arrête, pour reprendre avec ce qui est sur le disque : { $reason }
error-store-unreachable = Le serveur de base de données est injoignable ; nouvel essai en cours : { $reason }
error-store-away = La base n’accepte pas d’écritures : voyez le journal.

## When it was too much

wait = { $unit ->
    [second] { $count ->
        [one] { $count } seconde
       *[other] { $count } secondes
    }
    [minute] { $count ->
        [one] { $count } minute
       *[other] { $count } minutes
    }
   *[hour] { $count ->
        [one] { $count } heure
       *[other] { $count } heures
    }
}
limited-sign-ups = Trop d’inscriptions sont venues de votre réseau. Réessayez dans { wait }.
limited-mails = Trop d’e-mails ont été demandés depuis votre réseau. Réessayez dans { wait }.
limited-failed-passwords = Trop de mots de passe faux sont venus de votre réseau. Réessayez dans { wait }.
limited-address-mails = Trop d’e-mails ont été envoyés à cette adresse. Réessayez dans { wait }.
limited-all-sign-ups = Beaucoup de gens s’inscrivent en ce moment. Réessayez dans { wait }.
limited-sign-ins = Trop de connexions avec cette adresse. Réessayez dans { wait }.
limited-cooldown = Un e-mail a été demandé il y a un instant. Attendez { wait }.
