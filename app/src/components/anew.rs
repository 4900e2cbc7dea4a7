use leptos::{either::Either, prelude::*};

/// What `draw` makes of a value, drawn anew each time that the value changes, whose text then is
/// never changed in its place: a browser that translates a page puts its own words there instead
/// of ours, where no change to ours would be seen.
pub fn anew<T, V>(
    value: impl Fn() -> T + Send + Sync + 'static,
    draw: impl Fn(T) -> V + Send + 'static,
) -> AnyView
where
    T: Clone + PartialEq + Send + Sync + 'static,
    V: IntoView + 'static,
{
    let value = Memo::new(move |_| value());
    anew_each_time(Box::new(move || draw(value.get()).into_any()))
}

/// The same for text that is always there.
pub fn text_anew(text: impl Fn() -> String + Send + Sync + 'static) -> AnyView {
    anew(text, |text| view! { <span>{text}</span> })
}

/// The same also where a value is set that it had before. Not generic, so that its code is in the page
/// once.
pub(super) fn anew_each_time(draw: Box<dyn Fn() -> AnyView + Send>) -> AnyView {
    let is_odd = StoredValue::new(false);
    (move || {
        is_odd.update_value(|is_odd| *is_odd = !*is_odd);
        if is_odd.get_value() {
            Either::Left(draw())
        } else {
            Either::Right(draw())
        }
    })
    .into_any()
}
