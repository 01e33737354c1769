//! What the audit trail may tell of a centre's configuration. Every field is named, so that a new one does not compile
//! until somebody has decided about it. Names of rooms and treatments are about nobody; people's names and every
//! address are masked.

use super::{
    model::{Branch, CentreProfile, ProfessionalDetail, Requirement, Resource, ResourceKind, Treatment},
    query::WindowKind,
    upsert_category::Category,
};
use crate::domain::{
    facts::{Facts, facts, many, masked, text},
    money::Money,
    time::WeeklyWindow,
};

pub(super) fn branch(branch: &Branch) -> Facts {
    let Branch {
        id: _,
        version,
        name,
        zone,
        address,
        phone,
        email,
        active,
        reminder_local_time,
        birthday_local_time,
        cash_auto_close_local_time,
        cash_auto_open_local_time,
        confirmation_delay,
        copy_confirmations_to,
        backup_window_start,
        slot_grid_minutes,
        min_booking_notice,
        max_booking_advance,
        min_cancel_notice,
        hold_ttl,
        online_booking_enabled,
    } = branch;
    facts!({
        "version": *version,
        "name": text(name),
        "timeZone": *zone,
        "address": masked(address),
        "phone": masked(phone),
        "email": masked(email),
        "active": *active,
        "reminderLocalTime": *reminder_local_time,
        "birthdayLocalTime": *birthday_local_time,
        "cashAutoCloseLocalTime": *cash_auto_close_local_time,
        "cashAutoOpenLocalTime": *cash_auto_open_local_time,
        "confirmationDelay": *confirmation_delay,
        "copyConfirmationsTo": many(copy_confirmations_to.iter().map(masked)),
        "backupWindowStart": *backup_window_start,
        "slotGridMinutes": *slot_grid_minutes,
        "minBookingNotice": *min_booking_notice,
        "maxBookingAdvance": *max_booking_advance,
        "minCancelNotice": *min_cancel_notice,
        "holdTtl": *hold_ttl,
        "onlineBookingEnabled": *online_booking_enabled,
    })
}

/// A branch's weekly windows, as [`super::query::branch_windows`] reads them.
pub(super) fn windows(windows: &[(uuid::Uuid, WindowKind, WeeklyWindow)]) -> Facts {
    let of = |wanted: WindowKind| {
        many(windows.iter().filter(move |(_, kind, _)| *kind == wanted).map(|(_, _, window)| window))
    };
    facts!({ "openingHours": of(WindowKind::Opening), "quietHours": of(WindowKind::Quiet) })
}

pub(super) fn resource(resource: &Resource) -> Facts {
    let Resource { id: _, version, kind, name, color, capacity, active, branch_id, professional } = resource;
    let name = if *kind == ResourceKind::Professional { masked(name) } else { text(name) };
    let facts = facts!({
        "version": *version,
        "kind": kind.as_str(),
        "name": name,
        "color": text(color),
        "capacity": *capacity,
        "active": *active,
        "branchId": *branch_id,
    });
    match professional {
        None => facts,
        Some(detail) => {
            let ProfessionalDetail { user_id, specialties, bio, photo_url, accepts_online, branch_ids, treatment_ids } =
                detail;
            facts.and(facts!({
                "userId": *user_id,
                "specialties": many(specialties.iter().map(|word| text(word))),
                "bio": masked(bio),
                "photoUrl": masked(photo_url),
                "acceptsOnline": *accepts_online,
                "branchIds": branch_ids.as_slice(),
                "treatmentIds": treatment_ids.as_slice(),
            }))
        }
    }
}

pub(super) fn treatment(treatment: &Treatment) -> Facts {
    let Treatment {
        id: _,
        version,
        name,
        category_id,
        duration_minutes,
        buffer_before_minutes,
        buffer_after_minutes,
        price,
        tax_rate,
        online_bookable,
        requires_approval,
        capacity,
        requirements,
        deposit_percent,
        deposit_fixed,
        deposit_refundable_until,
        active,
    } = treatment;
    facts!({
        "version": *version,
        "name": text(name),
        "categoryId": *category_id,
        "durationMinutes": *duration_minutes,
        "bufferBeforeMinutes": *buffer_before_minutes,
        "bufferAfterMinutes": *buffer_after_minutes,
        "price": money(price),
        "taxRate": *tax_rate,
        "onlineBookable": *online_bookable,
        "requiresApproval": *requires_approval,
        "capacity": *capacity,
        "requirements": many(requirements.iter().map(requirement)),
        "depositPercent": *deposit_percent,
        "depositFixed": deposit_fixed.as_ref().map(money),
        "depositRefundableUntil": *deposit_refundable_until,
        "active": *active,
    })
}

fn money(money: &Money) -> Facts {
    facts!({ "minor": money.minor, "currency": text(&money.currency) })
}

fn requirement(requirement: &Requirement) -> Facts {
    let Requirement { kind, quantity, any_of } = requirement;
    facts!({ "kind": kind.as_str(), "quantity": *quantity, "anyOf": any_of.as_slice() })
}

pub(super) fn category(category: &Category) -> Facts {
    let Category { id: _, name, position } = category;
    facts!({ "name": text(name), "position": *position })
}

pub(super) fn profile(profile: &CentreProfile) -> Facts {
    let CentreProfile {
        trade_name,
        legal_name,
        country,
        currency,
        locale,
        default_zone,
        vertical,
        operating_mode,
        logo_url,
        booking_policies,
        daily_appointment_quota,
        clinical_record,
        version,
        updated_at: _,
    } = profile;
    facts!({
        "version": *version,
        "tradeName": text(trade_name),
        "legalName": text(legal_name),
        "country": text(country),
        "currency": text(currency),
        "locale": text(locale),
        "defaultTimeZone": *default_zone,
        "vertical": text(vertical),
        "operatingMode": operating_mode.as_str(),
        "logoUrl": logo_url.as_deref().map(text),
        "bookingPolicies": booking_policies.as_deref().map(text),
        "dailyAppointmentQuota": *daily_appointment_quota,
        "clinicalRecord": *clinical_record,
    })
}
