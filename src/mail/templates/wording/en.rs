//! English: plain, international.

use super::{AMBER, BLUE, GREEN, KindWording, RED, SLATE, Wording};

const GREETING: &str = "Hello {{ patient_name }},";
const FOOTER: &str = "You receive this automatic message because you have an appointment at {{ centre_name }}.";

pub(super) const WORDING: Wording = Wording {
    when: "Date and time",
    when_now: "New date and time",
    when_before: "Before",
    place: "Place",
    treatment: "Treatment",
    with: "with {}",
    code: "Booking code",
    reason: "Reason",
    patient: "Patient",
    channel: "Booked through",
    channel_online: "Online booking",
    channel_front_desk: "Front desk",
    channel_phone: "Telephone",
    channel_api: "Connected system",
    confirm: "Confirm attendance",
    change: "Change or cancel",
    calendar_file: "appointment.ics",
    login_name: "Your login",
    link_until: "The link holds until",
    accept_invite: "Set my password",
    set_password: "Choose another password",
    confirmation: KindWording {
        subject: "Your appointment is booked: {{ when_short }} – {{ centre_name }}",
        preheader: "{{ when }}, {{ branch_name }}. Code {{ code }}.",
        heading: "Your appointment is booked",
        greeting: GREETING,
        intro: "We look forward to seeing you at {{ centre_name }}. Here are the details:",
        notice: "{% if can_change %}If you cannot come, please change or cancel in good time, so that \
                 someone else can have the slot.{% elif phone %}If you cannot come, please call \
                 {{ phone }}, so that someone else can have the slot.{% endif %}",
        footer: FOOTER,
        accent: GREEN,
    },
    centre_copy: KindWording {
        subject: "New booking: {{ patient_name }}, {{ when_short }} – {{ branch_name }}",
        preheader: "{{ when }}. Code {{ code }}.",
        heading: "New booking",
        greeting: "",
        intro: "A new appointment was booked at {{ branch_name }}:",
        notice: "",
        footer: "You receive this copy because {{ centre_name }} asked for one of every booking at this branch.",
        accent: SLATE,
    },
    reminder: KindWording {
        subject: "Reminder of your appointment: {{ when_short }} – {{ centre_name }}",
        preheader: "We are expecting you at {{ branch_name }}. Code {{ code }}.",
        heading: "A reminder of your appointment",
        greeting: GREETING,
        intro: "This is a reminder of your appointment at {{ centre_name }}:",
        notice: "{% if can_confirm %}Confirm with one click; there is no need to call. {% endif %}\
                 {% if can_change %}If you cannot come, please change or cancel your appointment.\
                 {% elif phone %}If you cannot come, please call {{ phone }}.{% endif %}",
        footer: FOOTER,
        accent: BLUE,
    },
    rescheduled: KindWording {
        subject: "Your appointment has moved: {{ when_short }} – {{ centre_name }}",
        preheader: "It is now on {{ when }}, {{ branch_name }}.",
        heading: "Your appointment has a new time",
        greeting: GREETING,
        intro: "Your appointment at {{ centre_name }} has moved. These details are now valid:",
        notice: "{% if can_change %}If the new time does not suit you, you can change or cancel it.\
                 {% elif phone %}If the new time does not suit you, please call {{ phone }}.{% endif %}",
        footer: FOOTER,
        accent: AMBER,
    },
    changed: KindWording {
        subject: "The details of your appointment have changed: {{ when_short }} – {{ centre_name }}",
        preheader: "It is on {{ when }}, {{ branch_name }}.",
        heading: "The details of your appointment have changed",
        greeting: GREETING,
        intro: "The details of your appointment at {{ centre_name }} have changed. These are now valid:",
        notice: "{% if can_change %}If the change does not suit you, you can change or cancel your appointment.\
                 {% elif phone %}If the change does not suit you, please call {{ phone }}.{% endif %}",
        footer: FOOTER,
        accent: AMBER,
    },
    cancelled: KindWording {
        subject: "Your appointment is cancelled: {{ when_short }} – {{ centre_name }}",
        preheader: "{{ when }}, {{ branch_name }}. Code {{ code }}.",
        heading: "Your appointment is cancelled",
        greeting: GREETING,
        intro: "Your appointment at {{ centre_name }} has been cancelled. There is nothing more you need to do.",
        notice: "{% if phone %}To book another time, please call {{ phone }}.{% endif %}",
        footer: "You receive this automatic message because you had an appointment at {{ centre_name }}.",
        accent: RED,
    },
    refused: KindWording {
        subject: "We could not accept your request: {{ when_short }} – {{ centre_name }}",
        preheader: "{{ when }}, {{ branch_name }}. Code {{ code }}.",
        heading: "We could not accept your request",
        greeting: GREETING,
        intro: "Unfortunately, {{ centre_name }} cannot see you at the time that you asked for. No appointment is booked.",
        notice: "{% if phone %}To ask for another time, please call {{ phone }}.{% endif %}",
        footer: "You receive this automatic message because you asked for an appointment at {{ centre_name }}.",
        accent: RED,
    },
    invite: KindWording {
        subject: "Your access to {{ centre_name }}",
        preheader: "Set your password to begin.",
        heading: "Your account is ready",
        greeting: "Hello {{ name }},",
        intro: "{{ centre_name }} has created an account for you. Choose a password to begin:",
        notice: "The link is personal and works once. If you did not expect this mail, there is nothing to do.",
        footer: "You receive this automatic message because {{ centre_name }} gave you access.",
        accent: GREEN,
    },
    password_reset: KindWording {
        subject: "Choose another password – {{ centre_name }}",
        preheader: "Somebody asked for a new password for your account.",
        heading: "Choose another password",
        greeting: "Hello {{ name }},",
        intro: "Somebody asked for a new password for your account at {{ centre_name }}. If it was you, choose it here:",
        notice: "The link is personal and works once. Choosing another password ends all your sessions. If you did not \
                 ask for it, there is nothing to do: your password has not changed.",
        footer: "You receive this automatic message because you have an account at {{ centre_name }}.",
        accent: BLUE,
    },
};
