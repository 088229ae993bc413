use super::*;

const ANY: Wanted<'_> = Wanted {
    fit: &|_| true,
    key: None,
    last_resort: true,
};

fn endpoints(groups: &[&[u32]], change: impl Fn(&mut Endpoint)) -> Arc<Endpoints> {
    let patience = Patience {
        failures: 1,
        failure_percent: 0,
        slow_start: Duration::ZERO,
        ..Patience::default()
    };
    let mut names = ('a'..).map(String::from);
    let group = |weights: &&[u32]| {
        let one = |weight: &u32| {
            let mut endpoint = Endpoint::new(names.next().unwrap());
            endpoint.weight = *weight;
            change(&mut endpoint);
            endpoint
        };
        Group::new(weights.iter().map(one).collect(), Balance::default())
    };
    let groups = groups.iter().map(group).collect();
    let queue = Queue {
        max: 1,
        timeout: Duration::from_secs(5),
    };
    Arc::new(Endpoints::new(groups, patience, queue))
}

fn chosen(endpoints: &Arc<Endpoints>) -> Chosen {
    match endpoints.pick(ANY) {
        Pick::Chosen(chosen) => chosen,
        other => panic!("{other:?}"),
    }
}

fn counts(endpoints: &Arc<Endpoints>, calls: usize) -> Vec<usize> {
    let mut counts = vec![0; endpoints.all().len()];
    for _ in 0..calls {
        counts[chosen(endpoints).index()] += 1;
    }
    counts
}

#[tokio::test]
async fn the_first_group_serves_by_weight_and_drained_endpoints_never_do() {
    fastrand::seed(7);
    let got = counts(&endpoints(&[&[3, 0, 1], &[9]], |_| {}), 4000);
    assert_eq!((got[1], got[3]), (0, 0));
    assert!((2850..3150).contains(&got[0]), "{got:?}");
    assert!(matches!(
        endpoints(&[&[0], &[0]], |_| {}).pick(ANY),
        Pick::None
    ));
}

#[tokio::test(start_paused = true)]
async fn the_next_group_serves_while_the_first_is_out_and_one_probe_brings_it_back() {
    let endpoints = endpoints(&[&[1], &[1]], |_| {});
    chosen(&endpoints).failed();
    assert_eq!(counts(&endpoints, 10), [0, 10]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let probe = chosen(&endpoints);
    assert!(probe.is_probe() && probe.index() == 0);
    assert_eq!(counts(&endpoints, 10), [0, 10], "one probe at a time");
    drop(probe);
    let probe = chosen(&endpoints);
    assert!(
        probe.is_probe(),
        "nobody has waited for the first one's answer"
    );
    probe.succeeded();
    drop(probe);
    assert_eq!(counts(&endpoints, 10), [10, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_credential_takes_out_all_who_use_it_and_one_probe_brings_them_back() {
    let credential = Arc::new(super::super::Health::new());
    let endpoints = endpoints(&[&[1, 1], &[1]], |endpoint| {
        if *endpoint.name != *"c" {
            endpoint.credential = Some(credential.clone());
        }
    });
    chosen(&endpoints).rejected();
    assert_eq!(counts(&endpoints, 10), [0, 0, 10]);
    tokio::time::sleep(Duration::from_secs(10)).await;
    let probe = chosen(&endpoints);
    assert!(probe.is_probe() && probe.index() < 2);
    assert_eq!(counts(&endpoints, 10), [0, 0, 10]);
    probe.succeeded();
    drop(probe);
    assert_eq!(counts(&endpoints, 100)[2], 0);
}

#[tokio::test(start_paused = true)]
async fn when_all_are_out_those_that_were_not_asked_to_wait_are_used() {
    let endpoints = endpoints(&[&[1, 1], &[1]], |_| {});
    let index = chosen(&endpoints).index();
    chosen_at(&endpoints, index).wait(Duration::from_secs(60), true);
    chosen(&endpoints).failed();
    chosen(&endpoints).failed();
    let got = counts(&endpoints, 100);
    assert_eq!(got[index], 0);
    assert!(got.iter().filter(|n| **n > 20).count() == 2, "{got:?}");
    let wanted = Wanted {
        last_resort: false,
        ..ANY
    };
    let Pick::Out(wait) = endpoints.pick(wanted) else {
        panic!("all are out");
    };
    assert_eq!(wait, Duration::from_secs(10));
}

fn chosen_at(endpoints: &Arc<Endpoints>, index: usize) -> Chosen {
    let fit = |at| at == index;
    match endpoints.pick(Wanted { fit: &fit, ..ANY }) {
        Pick::Chosen(chosen) => chosen,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_endpoint_is_waited_for_in_order_and_within_bounds() {
    let endpoints = endpoints(&[&[1]], |endpoint| endpoint.max_concurrent = Some(1));
    let first = endpoints.choose(ANY, None).await.unwrap();
    let waiting = tokio::spawn({
        let endpoints = endpoints.clone();
        async move {
            endpoints
                .choose(ANY, None)
                .await
                .map(|chosen| chosen.index())
        }
    });
    tokio::task::yield_now().await;
    assert_eq!(
        endpoints.choose(ANY, None).await.unwrap_err(),
        NoEndpoint::Full
    );
    drop(first);
    assert_eq!(waiting.await.unwrap(), Ok(0));
    let _held = endpoints.choose(ANY, None).await.unwrap();
    let began = Instant::now();
    let deadline = began + Duration::from_secs(1);
    let late = endpoints.choose(ANY, Some(deadline)).await.unwrap_err();
    assert_eq!((late, began.elapsed().as_secs()), (NoEndpoint::Full, 1));
    endpoints.choose(ANY, None).await.unwrap_err();
    assert_eq!(
        began.elapsed().as_secs(),
        6,
        "no longer than the queue allows"
    );
}

#[tokio::test]
async fn a_full_group_overflows_into_the_next() {
    let endpoints = endpoints(&[&[1], &[1]], |endpoint| endpoint.max_concurrent = Some(1));
    let held = [chosen(&endpoints), chosen(&endpoints)];
    assert_eq!(held.each_ref().map(Chosen::index), [0, 1]);
    assert!(matches!(endpoints.pick(ANY), Pick::Full));
}
